"""TLS with a real server and a CA of the test's own: what is accepted, and what is reported."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.core.errors import DatabaseError
from tests.support.live_database import (
    PASSWORD,
    assert_refused,
    make_model,
    make_shop,
    own_home,
    run_here,
    wait_for,
)

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class TlsServer:
    """A server that listens on localhost, and the CA that signed its certificate."""

    port: int
    admin_url: str
    ca: Path
    other_ca: Path

    def url(self, host: str = "localhost", **options: object) -> str:
        """URL of the role `clerk`."""
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"postgresql://clerk:{PASSWORD}@{host}:{self.port}/postgres?{query}"


def programs() -> Path | None:
    """Folder of a PostgreSQL that was built with TLS; the embedded one was not."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    for folder in sorted(folders, reverse=True):
        shown = subprocess.run(
            [folder / "pg_config", "--configure"], capture_output=True, text=True, check=False
        )
        if "openssl" in shown.stdout:
            return folder
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    folder = programs()
    if folder is None or not shutil.which("openssl"):
        pytest.skip("needs a PostgreSQL built with TLS, and the program openssl")
    with own_home() as home:
        data, port = home / "tls", free_port()
        data.mkdir()
        home.chmod(0o755)
        owner = "postgres" if os.geteuid() == 0 else None
        if owner:
            shutil.chown(data, owner)
        ca, other_ca = make_ca(home, "ca"), make_ca(home, "other")
        command(owner, folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust")
        make_certificate(home, ca, data)
        configure(data, port, owner)
        command(owner, folder / "pg_ctl", "-D", data, "-w", "-l", data / "log", "start")
        try:
            admin_url = f"postgresql://postgres@/postgres?host={data}&port={port}"
            with postgres.connect(admin_url) as admin:
                admin.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'".encode())
                admin.execute("CREATE SCHEMA clerk AUTHORIZATION clerk")
            yield TlsServer(port, admin_url, ca, other_ca)
        finally:
            command(owner, folder / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def configure(data: Path, port: int, owner: str | None) -> None:
    """Let it listen at the port, over TLS only."""
    for name in ("server.crt", "server.key"):
        if owner:
            shutil.chown(data / name, owner)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"\nport = {port}\nlisten_addresses = '127.0.0.1'\nssl = on\n")
        settings.write(f"unix_socket_directories = '{data}'\n")
    rules = "local all postgres trust\nhostssl all clerk 127.0.0.1/32 scram-sha-256\n"
    (data / "pg_hba.conf").write_text(rules)


def test_a_run_over_tls_with_the_server_checked(server: TlsServer, tmp_path: Path) -> None:
    url = server.url(sslmode="verify-full", sslrootcert=server.ca)
    shop = make_shop(url, make_model(tmp_path), tmp_path)
    with postgres.connect(shop.url) as connection:
        query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert postgres.fetch_one(connection, query)[0] is True
    assert shop.current_run() == [(1, 60)]


def test_tls_is_used_if_the_server_offers_it(server: TlsServer) -> None:
    with postgres.connect(server.url()) as connection:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert postgres.fetch_one(connection, query) == (True,)


def test_a_certificate_of_another_ca_is_rejected(server: TlsServer) -> None:
    for mode in ("verify-ca", "verify-full"):
        assert_rejected(
            server.url(sslmode=mode, sslrootcert=server.other_ca),
            "a certificate that the CA of sslrootcert has not signed",
        )


def test_a_certificate_of_another_host_is_rejected(server: TlsServer) -> None:
    url = server.url("127.0.0.1", sslmode="verify-full", sslrootcert=server.ca)
    assert_rejected(url, "a certificate of another host", '"localhost"', '"127.0.0.1"')


def test_a_missing_ca_file_is_named(server: TlsServer, tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    url = server.url(sslmode="verify-full", sslrootcert=absent)
    assert_rejected(url, str(absent), "name the file of the server's CA with sslrootcert")


def test_a_server_that_requires_tls_is_explained(server: TlsServer) -> None:
    assert_rejected(
        server.url(sslmode="disable"), "does not let this user in without TLS", "verify-full"
    )


def test_a_server_without_tls_is_rejected_if_the_url_requires_tls(server: TlsServer) -> None:
    with postgres.connect(server.admin_url) as admin:
        admin.execute("ALTER SYSTEM SET ssl = off")
        try:
            admin.execute("SELECT pg_reload_conf()")
            wait_for(lambda: postgres.fetch_one(admin, "SHOW ssl") == ("off",))
            for mode in ("require", "verify-full"):
                url = server.url(sslmode=mode, sslrootcert=server.ca)
                assert_rejected(url, "does not offer TLS", "ssl = on")
        finally:
            admin.execute("ALTER SYSTEM RESET ssl")
            admin.execute("SELECT pg_reload_conf()")
            wait_for(lambda: postgres.fetch_one(admin, "SHOW ssl") == ("on",))


def assert_rejected(url: str, *parts: str) -> None:
    """The command reports it in one line, and trying again would not help."""
    outcome = run_here("runs", "--database-url", url)
    assert_refused(outcome, *parts)
    assert len(outcome.err.splitlines()) == 1
    with pytest.raises(DatabaseError) as caught:
        postgres.connect(url)
    assert not postgres.is_transient(caught.value)


def make_ca(folder: Path, name: str) -> Path:
    """Certificate of a CA; its key is in the same folder."""
    certificate = folder / f"{name}.pem"
    key = certificate.with_suffix(".key")
    options = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    command(None, "openssl", "req", *options, "-keyout", key, "-out", certificate)
    return certificate


def make_certificate(folder: Path, ca: Path, data: Path) -> None:
    """server.crt for localhost, signed by the CA, and server.key."""
    request, names = folder / "server.csr", folder / "names"
    names.write_text("subjectAltName = DNS:localhost\n")
    key = data / "server.key"
    new = ("-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    command(None, "openssl", "req", *new, "-keyout", key, "-out", request)
    signed = ("-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial", "-days", "2")
    out = ("-extfile", names, "-out", data / "server.crt")
    command(None, "openssl", "x509", "-req", "-in", request, *signed, *out)
    key.chmod(0o600)


def command(user: str | None, *parts: object) -> None:
    """Run a program, as another user if root may not; its output is shown if it fails."""
    done = subprocess.run(
        [str(part) for part in parts],
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if parts[-1] != "start" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def free_port() -> int:
    """Port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
