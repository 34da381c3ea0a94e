"""The wheel has all that the program needs, and runs in a folder with no checkout near."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from segpipe import __version__
from segpipe.postgres import embedded
from tests.support.commands import FEW_KS, ROOT

N_CUSTOMERS = 300
SHIPPED = ("config", "docs/schemas", "sql")  # beside the package, and inside it in a wheel

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(frozen=True)
class Built:
    """The archives of one build."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Installed:
    """A Python that has the wheel and no checkout, and an empty folder to work in."""

    programs: Path
    folder: Path
    home: Path  # of the embedded database

    def run(self, program: str, *arguments: object) -> str:
        """What a program of this Python prints; it knows nothing of the environment around."""
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "SEGPIPE_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def build(project: Path, folder: Path) -> Built:
    """Build with the backend that is installed here, without network."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return Built(next(folder.glob("*.tar.gz")), next(folder.glob("*.whl")))


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel alone is installed; its dependencies are those of the Python that tests it."""
    environment = tmp_path_factory.mktemp("venv")
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "-qq", "--no-deps", "--no-index", built.wheel], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    home = Path(tempfile.mkdtemp(prefix="segpipe-"))  # short, as a socket's name must be
    try:
        yield Installed(environment / "bin", tmp_path_factory.mktemp("empty"), home)
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def test_the_wheel_has_every_file_of_the_package(built: Built) -> None:
    expected = {
        f"{inside}{path.relative_to(ROOT)}"
        for folder, inside in [("segpipe", ""), *((name, "segpipe/data/") for name in SHIPPED)]
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = contents(built.wheel)
    metadata = {name for name in found if name.startswith(f"segpipe-{__version__}.dist-info/")}
    assert set(found) - metadata == expected
    assert "segpipe/py.typed" in found


def test_the_wheel_names_its_version_and_its_licence(built: Built) -> None:
    found = contents(built.wheel)
    metadata = found[f"segpipe-{__version__}.dist-info/METADATA"].decode().splitlines()
    assert f"Version: {__version__}" in metadata
    assert "License-Expression: MIT" in metadata
    licence = found[f"segpipe-{__version__}.dist-info/licenses/LICENSE"]
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_source_archive_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = build(tmp_path / f"segpipe-{__version__}", tmp_path / "dist")
    assert contents(again.wheel) == contents(built.wheel)


def test_the_installed_program_runs_from_generate_to_the_report(installed: Installed) -> None:
    place = installed.run("python", "-c", "import segpipe; print(segpipe.__file__)")
    assert Path(place).is_relative_to(installed.programs.parent)
    assert installed.run("segpipe", "--version").split()[-1] == __version__
    installed.run("segpipe", "generate", "shop.csv", "--customers", N_CUSTOMERS, "--quiet")
    of_the_shop = ("run", "--csv-path", "shop.csv", "--quiet", *FEW_KS)
    installed.run("segpipe", *of_the_shop, "--dry-run")
    assert not any(installed.home.iterdir())
    assert f"{N_CUSTOMERS} profiles" in installed.run("segpipe", *of_the_shop)
    assert "purchase_value" in installed.run("segpipe", "sql", "segment_sizes", "--limit", 100)
    installed.run("segpipe", "report", "latest", "--out", "page.html")
    assert "<html" in (installed.folder / "page.html").read_text(encoding="utf-8")
    installed.run("segpipe", "export", "--out", "export", "--quiet")
    exported = installed.folder / "export" / "profiles.jsonl"
    assert len(exported.read_text(encoding="utf-8").splitlines()) == N_CUSTOMERS
