"""The file for Prometheus: valid by its own parser, complete, and never another program's file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from segpipe.cli.watch import Watchers, watch
from segpipe.core.errors import InputError
from segpipe.monitor.metrics import Ending, write_metrics
from tests.monitor.test_healthcheck import ERRORS, REPORT, free_url, run_ends, run_publishes_then
from tests.support.commands import ROOT

Labels = frozenset[tuple[str, str]]


def read(path: Path) -> dict[tuple[str, Labels], float]:
    """Samples by name and labels; each metric stands once, with help and type."""
    families = list(text_string_to_metric_families(path.read_bytes().decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.type == "gauge" and family.documentation for family in families)
    found = [(s.name, frozenset(s.labels.items()), s.value) for f in families for s in f.samples]
    assert len({(name, labels) for name, labels, _ in found}) == len(found)
    assert all(sample.timestamp is None for family in families for sample in family.samples)
    return {(name, labels): value for name, labels, value in found}


def of(store: str, found: dict[tuple[str, Labels], float]) -> dict[str, float]:
    """Values of a store by name, without samples that have further labels."""
    return {
        name.removeprefix("segpipe_"): value
        for (name, labels), value in found.items()
        if labels == {("store", store)}
    }


def test_a_run_that_published_writes_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    run_ends(Watchers(None, path))
    found = of("north", read(path))
    assert found.pop("last_run_timestamp_seconds") == found.pop("last_success_timestamp_seconds")
    assert found.pop("last_run_duration_seconds") >= 0
    assert found == {
        "last_run_exit_status": 0,
        "published_run_id": 7,
        "customers": 5,
        "rows_read": 20,
        "rows_rejected": 1,
        "newest_order_timestamp_seconds": 1751241600,
        "peak_memory_bytes": 2**20,
    }
    more = {name: (labels, value) for (name, labels), value in read(path).items()}
    north = ("store", "north")
    assert more["segpipe_stage_seconds"] == (frozenset({north, ("stage", "load")}), 1.234)
    assert more["segpipe_agreement"] == (frozenset({north, ("axis", "price")}), 0.975)


def test_every_metric_is_in_the_document_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    run_ends(Watchers(None, path))
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"segpipe_\w+", document))
    assert named == {name for name, _ in read(path)}


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_a_run_that_failed_leaves_the_last_success(
    error: BaseException, status: int, tmp_path: Path
) -> None:
    path = tmp_path / "segpipe.prom"
    write_metrics(path, Ending("north", 1000.5, 2.5, 0, REPORT))
    before = of("north", read(path))
    with pytest.raises(type(error)):
        run_ends(Watchers(None, path), error)
    after = of("north", read(path))
    assert after.pop("last_run_timestamp_seconds") > before.pop("last_run_timestamp_seconds")
    assert after.pop("last_run_exit_status") == status
    del after["last_run_duration_seconds"], before["last_run_duration_seconds"]
    del before["last_run_exit_status"]
    assert after == before
    assert after["last_success_timestamp_seconds"] == 1000.5


def test_a_store_whose_first_run_failed_has_never_published(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    write_metrics(path, Ending("north", 1000.0, 2.5, 3, None))
    assert of("north", read(path)) == {
        "last_run_timestamp_seconds": 1000,
        "last_run_exit_status": 3,
        "last_run_duration_seconds": 2.5,
        "last_success_timestamp_seconds": 0,
    }


def test_a_run_whose_page_failed_is_still_a_success(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    with pytest.raises(InputError):
        run_publishes_then(Watchers(None, path), InputError("The page cannot be written."))
    found = of("north", read(path))
    assert found["last_run_exit_status"] == 2
    assert found["last_success_timestamp_seconds"] == found["last_run_timestamp_seconds"]


STORES = ["north", 'a "b" \\n c\\', "line\nbreak\r\u2028", "ä,{}=#", " "]


def test_stores_of_any_name_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    for at, store in enumerate(STORES * 2, start=1):
        write_metrics(path, Ending(store, float(at), 1.0, 0, REPORT))
    found = read(path)
    for at, store in enumerate(STORES, start=len(STORES) + 1):
        assert of(store, found)["last_run_timestamp_seconds"] == at
        assert of(store, found)["customers"] == 5
    assert {dict(labels)["store"] for _, labels in found} == set(STORES)
    again = path.read_bytes()
    write_metrics(path, Ending(STORES[-1], float(2 * len(STORES)), 1.0, 0, REPORT))
    assert path.read_bytes() == again


def test_a_broken_line_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    write_metrics(path, Ending("south", 1.0, 1.0, 0, REPORT))
    before = of("south", read(path))
    broken = ['segpipe_customers{store="south"', "segpipe_customers 7", "other_metric 1", "?"]
    path.write_text(path.read_text(encoding="utf-8") + "\n".join(broken), encoding="utf-8")
    write_metrics(path, Ending("north", 2.0, 1.0, 0, REPORT))
    found = read(path)
    assert of("south", found) == before
    assert {dict(labels)["store"] for _, labels in found} == {"north", "south"}


def test_a_store_id_that_is_no_utf_8_is_written_with_replacements(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    for at in (1.0, 2.0):
        write_metrics(path, Ending("caf\udce9", at, 1.0, 0, REPORT))
    assert of("caf?", read(path))["last_run_timestamp_seconds"] == 2


def test_stores_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    stores = [f"s{number}" for number in range(8)]
    threads = [
        Thread(target=write_metrics, args=(path, Ending(store, 1.0, 1.0, 0, REPORT)))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {dict(labels)["store"] for _, labels in read(path)} == set(stores)


def test_the_collector_may_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    own = os.umask(0o077)
    try:
        run_ends(Watchers(None, path))
    finally:
        os.umask(own)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.prom").symlink_to(tmp_path / "segpipe.prom")
    run_ends(Watchers(None, tmp_path / "link.prom"))
    assert (tmp_path / "link.prom").is_symlink()
    assert read(tmp_path / "segpipe.prom")


def test_a_path_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    other = tmp_path / "orders.csv"
    other.write_text("customer_id,ordered_at\n", encoding="utf-8")
    for path, why in (
        (tmp_path, "names the folder"),
        (tmp_path / "none" / "x.prom", "there is no folder"),
        (other, "not a file of segpipe's metrics"),
        (Path(os.devnull), "cannot be read as a file"),
    ):
        begun = []
        with pytest.raises(InputError, match=why), watch(Watchers(None, path)):
            begun.append(path)
        assert not begun
    assert other.read_text(encoding="utf-8") == "customer_id,ordered_at\n"


def test_an_unusable_option_is_reported_by_the_other_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="--metrics-file"):
        run_ends(Watchers(free_url(), tmp_path))
    assert "the failure was not reported to the healthcheck" in capsys.readouterr().err
    with pytest.raises(InputError, match="--healthcheck-url"):
        run_ends(Watchers("ftp://x", tmp_path / "segpipe.prom"))
    assert "the settings do not name the store" in capsys.readouterr().err


def test_a_file_that_the_run_wrote_itself_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.json"
    with watch(Watchers(None, path)) as watched:
        path.write_text("{}", encoding="utf-8")
        watched.store_id, watched.report = "north", REPORT
    assert path.read_text(encoding="utf-8") == "{}"
    assert "warning: the metrics were not written" in capsys.readouterr().err


def test_a_report_without_orders_or_a_load_is_written(tmp_path: Path) -> None:
    path = tmp_path / "segpipe.prom"
    source = replace(REPORT.source, last_ordered_at=None)
    write_metrics(path, Ending("north", 1.0, 1.0, 0, replace(REPORT, source=source, load=None)))
    assert "newest_order_timestamp_seconds" not in of("north", read(path))


def test_a_run_without_a_metrics_file_does_not_load_prometheus() -> None:
    program = (
        "import sys; from segpipe.cli.watch import Watchers, watch\n"
        "with watch(Watchers('http://127.0.0.1:1/x', None, is_quiet=True)): pass\n"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == 0
