"""The pings of a run to its healthcheck, whatever ends it, and never the secret."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from threading import Thread

import click
import pytest

from segpipe.cli.main import cli
from segpipe.cli.watch import Watchers, exit_status, watch
from segpipe.core.errors import BusyError, GateError, InputError, SegpipeError, StageError
from segpipe.core.report import (
    AgreementInfo,
    AxisInfo,
    FeatureInfo,
    LoadInfo,
    RunReport,
    SourceInfo,
    StageInfo,
)
from segpipe.monitor import ping, redacted, url_problem
from tests.support.commands import call
from tests.support.healthcheck_server import Answer, Listener, Ping, listening

REPORT = RunReport(
    version="1",
    seed=42,
    source=SourceInfo(
        "canonical", ("a.csv",), "0", 20, 1, None, {}, 0, 0, 0, None, frozenset(),
        datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC),
    ),
    features=FeatureInfo(date(2025, 7, 1), 5, 9, 0, 0),
    sample=None,
    axes=(
        AxisInfo(
            "price", "marketing", "groups", None, 2, 0.4,
            agreement=AgreementInfo("refit", 5, 0.975, 0.9, 0.1, None),
        ),
    ),
    load=LoadInfo(7, "north", "db", 5, 5, 0, 0, 0),
    stages=(StageInfo("load", 1.2345),),
    model_hash="0",
    peak_memory_mb=1.0,
)  # fmt: skip
ERRORS: list[tuple[BaseException, int]] = [
    (InputError("no column Date."), 2),
    (GateError("the export is stale."), 3),
    (BusyError("a run is at work."), 75),
    (StageError("load", "ValueError: x"), 1),
    (RuntimeError("x"), 1),
    (KeyboardInterrupt(), 130),
    (click.exceptions.Abort(), 130),
    (click.UsageError("x"), 2),
    (SystemExit(143), 143),
]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


def free_url() -> str:
    """A URL at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/secret"


def run_ends(watchers: Watchers, error: BaseException | None = None) -> None:
    """A run of the store north that publishes, or ends by the error."""
    with watch(watchers) as watched:
        watched.store_id = "north"
        if error:
            raise error
        watched.report = REPORT


def run_publishes_then(watchers: Watchers, error: BaseException) -> None:
    """A run of the store north that published, and ends by the error all the same."""
    with watch(watchers) as watched:
        watched.store_id, watched.report = "north", REPORT
        raise error


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_the_status_is_the_one_that_the_command_line_ends_with(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise error

    cli.add_command(fail)
    try:
        assert call(capsys, "fail").status == status
    finally:
        del cli.commands["fail"]
    assert exit_status(error) == status


def test_a_closed_output_is_no_failure(listener: Listener) -> None:
    with pytest.raises(BrokenPipeError):
        run_publishes_then(Watchers(listener.url, None), BrokenPipeError())
    assert listener.events[1][0] == ""


def test_a_run_that_published_pings_start_and_success(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    run_ends(Watchers(listener.url, None))
    assert listener.events == [
        ("/start", "started"),
        ("", "published run 7 of store north: 5 profiles"),
    ]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "segpipe: reported the success to the healthcheck.\n"


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_every_ending_of_a_run_is_reported_with_its_status(
    error: BaseException, status: int, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)):
        run_ends(Watchers(listener.url, None), error)
    (_, (event, body)) = listener.events
    assert event == "/fail"
    assert body.startswith(f"exit status {status}: ")
    assert capsys.readouterr().err == "segpipe: reported the failure to the healthcheck.\n"


def test_a_quiet_run_prints_nothing_about_its_pings(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    run_ends(Watchers(listener.url, None, is_quiet=True))
    assert len(listener.pings) == 2
    assert capsys.readouterr().err == ""


def test_an_unreachable_healthcheck_is_a_warning_without_its_url(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_ends(Watchers(free_url(), None))
    printed = capsys.readouterr().err
    assert "warning: the start was not reported to the healthcheck (Connection refused)" in printed
    assert "warning: the success was not reported to the healthcheck (Conn" in printed
    assert "secret" not in printed
    assert "127.0.0.1" not in printed


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/secret",
        "file:///etc/secret",
        "secret",
        "http:///secret",
        "https://host:99999/secret",
        "https://host:0/secret",
        "https://[secret",
        "https://me:secret@host/x",
        "https://host/se cret",
        "https://host/secret\n",
        "https://höst/secret",
        "",
    ],
)
def test_an_unusable_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match=r"--healthcheck-url .* expected one such as") as refused:
        run_ends(Watchers(url, None))
    assert "secret" not in str(refused.value)
    assert "me:" not in str(refused.value)


def test_usual_urls_are_accepted() -> None:
    for url in ("https://hc-ping.com/1f3c", "http://localhost:8000/ping/a?create=1"):
        assert url_problem(url) is None


def test_the_event_goes_before_the_query(listener: Listener) -> None:
    assert ping(f"{listener.url}/?create=1#x", "start", "x") is None
    assert ping(f"{listener.url}/?create=1#x", "", "x") is None
    assert [ping.path for ping in listener.pings] == ["/check/start?create=1", "/check/?create=1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_runs_text(status: int, listener: Listener) -> None:
    with listening(lambda _: Answer(status, f"{listener.url}/moved")) as first:
        assert ping(first.url, "fail", "the text of the run") is None
        assert first.events == [("/fail", "the text of the run")]
    assert listener.pings == [Ping("GET", "/check/moved", "")]


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_out_of_http_is_not_followed(location: str) -> None:
    with listening(lambda _: Answer(302, location)) as found:
        assert ping(found.url, "", "x") == "HTTP status 302"


def test_a_circle_of_redirects_ends() -> None:
    with listening(lambda ping: Answer(302, ping.path)) as found:
        assert ping(found.url, "", "x") == "HTTP status 302"


def test_a_ping_is_tried_again_if_that_may_help() -> None:
    received: list[Ping] = []

    def answer(ping: Ping) -> Answer:
        received.append(ping)
        return Answer(503 if len(received) == 1 else 200)

    with listening(answer) as found:
        assert ping(found.url, "", "x", attempts=3) is None
        assert len(found.pings) == 2
    with listening(lambda _: Answer(404)) as found:
        assert ping(found.url, "", "x", attempts=3) == "HTTP status 404"
        assert len(found.pings) == 1


@pytest.mark.parametrize("trickle", [b"", b"H"])
def test_a_server_that_never_finishes_delays_no_run(trickle: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(trickle)
                while connection.recv(4096):
                    pass

        thread = Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert ping(url, "", "x", seconds=0.3) in {"no answer within 0.3 seconds", "TimeoutError"}
        thread.join()


def test_an_unknown_host_is_a_reason() -> None:
    reason = ping("http://no-such-host.invalid/secret", "", "x")
    assert reason
    assert "secret" not in reason


def test_a_redacted_error_has_no_password_address_or_value() -> None:
    text = redacted(
        SegpipeError("postgresql://me:s3cr3t@db/x and password=hid den,\n(anna.b+c@example.co.uk)")
    )
    assert text == "postgresql://me:***@db/x and password=*** den, (***)"
    assert redacted(StageError("load", "Error: 'anna' is odd (x)")) == "The stage load failed."
    assert redacted(RuntimeError("anna")) == "unexpected RuntimeError"
    assert len(redacted(InputError("x" * 9999))) == 500
