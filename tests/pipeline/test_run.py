"""Whole runs: the report, what is published, and the laws that hold for any run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres
from segpipe.core.text import WIDTH
from segpipe.datasets.synthetic import generate_order_lines
from tests.support.commands import (
    AXIS_NAMES,
    FEW_KS,
    ROOT,
    Outcome,
    assert_whole,
    call,
    profiles,
    segpipe,
    shop_lines,
    spawn,
    write_shop,
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "shop.csv", shop_lines(150))


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    fast = () if {"--config", "--model", "--max-k"} & set(arguments) else FEW_KS
    outcome = call(capsys, "run", *arguments, *fast, "--quiet", "--json")
    assert outcome.status == 0, outcome.err
    report: dict[str, Any] = json.loads(outcome.out)
    return report


def test_a_run_publishes_what_it_reports(
    capsys: pytest.CaptureFixture[str], shop: Path, database_url: str
) -> None:
    report = run_json(capsys, "--csv-path", shop, "--database-url", database_url)
    found = profiles(database_url)
    assert_whole(found)
    assert report["source"]["preset"] == "canonical"
    assert report["source"]["n_rows_read"] == len(shop.read_text().splitlines()) - 1
    assert report["features"]["n_customers"] == len(found) == report["load"]["n_inserted"]
    assert [axis["name"] for axis in report["axes"]] == AXIS_NAMES
    for axis in report["axes"]:
        names = [profile["segment_memberships"][axis["name"]] for profile in found]
        shares = {name: names.count(name) / len(names) for name in set(names)}
        assert axis["shares"] == pytest.approx(shares)


def test_the_text_report_names_preset_axes_and_stages(
    capsys: pytest.CaptureFixture[str], shop: Path
) -> None:
    outcome = call(capsys, "run", "--csv-path", shop, "--dry-run", "--quiet")
    for words in ("preset canonical", "dry run", "Silhouette", "Verdict", "peak memory"):
        assert words in outcome.out
    for name in AXIS_NAMES:
        assert name in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= WIDTH


def test_row_order_batches_threads_and_files_change_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    lines = shop_lines(150)
    whole = write_shop(tmp_path / "whole.csv", lines)
    random.Random(3).shuffle(lines)  # noqa: S311 - a made-up shop
    write_shop(tmp_path / "part1.csv", lines[:200])
    write_shop(tmp_path / "part2.csv", lines[200:])
    first = run_json(capsys, "--csv-path", whole, "--database-url", database_url)
    before = profiles(database_url)
    # Into a store of its own, where every row is written: in the first, all would stay as they are.
    options = ("--batch-size", 7, "--threads", 1, "--store-id", "other")
    url = ("--database-url", database_url)
    second = run_json(capsys, "--csv-path", tmp_path / "part*.csv", *options, *url)
    assert first["model_hash"] == second["model_hash"]
    after = [profile for profile in profiles(database_url) if profile["store_id"] == "other"]
    for old, new in zip(before, after, strict=True):
        ignored = {"store_id", "run_id", "last_updated", "created_at"}
        assert {k: v for k, v in old.items() if k not in ignored} == {
            k: v for k, v in new.items() if k not in ignored
        }


def test_the_time_zone_of_the_host_changes_nothing(shop: Path) -> None:
    hashes = set()
    for zone in ("UTC", "Pacific/Kiritimati"):
        outcome = segpipe("run", "--csv-path", shop, "--dry-run", "--json", *FEW_KS, TZ=zone)
        assert outcome.status == 0, outcome.err
        hashes.add(json.loads(outcome.out)["model_hash"])
    assert len(hashes) == 1


def test_another_seed_draws_another_sample(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_shop(tmp_path / "shop.csv", shop_lines(300))
    options = ("--csv-path", path, "--dry-run", "--sample-size", 120)
    one = run_json(capsys, *options, "--seed", 1)
    two = run_json(capsys, *options, "--seed", 2)
    assert one["model_hash"] != two["model_hash"]
    assert one["sample"]["n_drawn"] == 120


def test_a_dry_run_opens_no_database(shop: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    outcome = segpipe("run", "--csv-path", shop, "--dry-run", *FEW_KS, SEGPIPE_HOME=str(home))
    assert outcome.status == 0
    assert "nothing, this was a dry run" in outcome.out
    assert not home.exists()


def two_months(folder: Path) -> tuple[Path, Path]:
    """A shop, and the same with a newer order of one customer and without another customer."""
    lines = shop_lines(60)
    newer = "c0001,new,2025-06-01T09:00:00,20.0,1,0,0,p1,cat1,web"
    present = [line for line in lines if not line.startswith("c0000,")]
    return (
        write_shop(folder / "one.csv", lines),
        write_shop(folder / "two.csv", [*present, newer]),
    )


def test_a_second_month_keeps_created_at_and_the_absent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    url = ("--database-url", database_url)
    first, second = two_months(tmp_path)
    one = run_json(capsys, "--csv-path", first, *url)
    before = {p["customer_id"]: p for p in profiles(database_url)}
    two = run_json(capsys, "--csv-path", second, *url)
    after = {p["customer_id"]: p for p in profiles(database_url)}
    gone_since = {"absent_since_run_id": two["load"]["run_id"]}
    assert after["c0000"] == before["c0000"] | gone_since
    assert after["c0001"]["created_at"] == before["c0001"]["created_at"]
    assert after["c0001"]["last_updated"] > before["c0001"]["last_updated"]
    assert after["c0001"]["run_id"] == two["load"]["run_id"] > one["load"]["run_id"]
    assert two["load"]["n_absent_kept"] == 1
    with postgres.connect(database_url) as connection:
        current = connection.execute("SELECT count(*) FROM current_profiles").fetchall()[0][0]
    assert current == len(after) - 1


def test_the_same_file_again_deletes_the_absent_and_leaves_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    url = ("--database-url", database_url)
    first, second = two_months(tmp_path)
    for path in (first, second):
        run_json(capsys, "--csv-path", path, *url)
    before = {profile["customer_id"]: profile for profile in profiles(database_url)}
    again = run_json(capsys, "--csv-path", second, *url, "--absent", "delete", "--force")["load"]
    assert (again["n_absent_deleted"], again["n_absent_kept"]) == (1, 0)
    assert (again["n_inserted"], again["n_updated"]) == (0, 0)
    assert again["n_unchanged"] == again["n_published"] == 59
    assert before.pop("c0000")["absent_since_run_id"]
    assert {profile["customer_id"]: profile for profile in profiles(database_url)} == before


def test_a_model_assigns_without_discovering(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path, database_url: str
) -> None:
    url = ("--database-url", database_url)
    made = run_json(capsys, "--csv-path", shop, *url, "--model-out", tmp_path / "model.json")
    # Another store, where the model writes every row.
    options = ("--model", tmp_path / "model.json", "--store-id", "other")
    used = run_json(capsys, "--csv-path", shop, *url, *options)
    assert used["sample"] is None
    assert used["model_hash"] == made["model_hash"]
    names: dict[str, list[Any]] = {"default": [], "other": []}
    for profile in profiles(database_url):
        names[profile["store_id"]].append(profile["segment_memberships"])
    assert len(names["other"]) == used["load"]["n_inserted"] == 150
    assert names["other"] == names["default"]


def test_a_failed_run_is_in_the_ledger_and_changes_no_profile(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path, database_url: str
) -> None:
    run_json(capsys, "--csv-path", shop, "--database-url", database_url)
    before = profiles(database_url)
    outcome = call(
        capsys, "run", "--csv-path", tmp_path / "gone.csv", "--database-url", database_url
    )
    assert outcome.status == 2
    assert profiles(database_url) == before
    listed = call(capsys, "runs", "--database-url", database_url, "--json")
    newest = json.loads(listed.out)[0]
    assert newest["status"] == "failed"
    assert newest["failed_stage"] == "source"


def test_tickets_bring_their_axis_and_vocabulary(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path, database_url: str
) -> None:
    rng = random.Random(5)  # noqa: S311 - a made-up shop
    rows = ["customer_id,created_at,channel,resolved_at,message_count,satisfaction,reopened"]
    for customer in range(0, 150, 2):
        channel = rng.choice(["email", "chat", "phone", "self_service"])
        rows += [
            f"c{customer:04d},2024-06-{day:02d}T10:00:00,{channel},"
            f"2024-06-{day:02d}T{10 + rng.randrange(9)}:30:00,{rng.randint(1, 9)},"
            f"{rng.randint(1, 5)},{rng.random() < 0.2}"
            for day in range(1, 1 + rng.randint(1, 6))
        ]
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("\n".join(rows) + "\n")
    options = ("--tickets", tickets, "--database-url", database_url, "--max-k", 4)
    report = run_json(capsys, "--csv-path", shop, *options)
    assert [axis["name"] for axis in report["axes"]] == [*AXIS_NAMES, "support_history"]
    found = {p["customer_id"]: p["segment_memberships"] for p in profiles(database_url)}
    assert found["c0001"]["support_history"] == "no_tickets"
    assert found["c0001"]["communication_preference"] == "no_contact"
    assert found["c0000"]["support_history"] != "no_tickets"
    preferred = {names["communication_preference"] for names in found.values()}
    assert preferred & {"email_preferred", "chat_preferred", "phone_preferred", "self_service"}


def test_an_axis_of_the_user_joins_the_others(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path
) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "my_rfm.toml"
    path.write_text(example)
    report = run_json(capsys, "--csv-path", shop, "--dry-run", "--axis-file", path)
    assert report["axes"][-1]["name"] == "my_rfm"
    assert report["axes"][-1]["shares"]


def test_settings_come_from_a_file_under_the_options(
    capsys: pytest.CaptureFixture[str], shop: Path, tmp_path: Path
) -> None:
    config = tmp_path / "segpipe.toml"
    config.write_text(f'[source]\npaths = ["{shop}"]\n[sample]\nseed = 7\n[cluster]\nmax_k = 3\n')
    report = run_json(capsys, "--config", config, "--dry-run", "--seed", 8)
    assert report["seed"] == 8
    tried = [c["n_clusters"] for axis in report["axes"] for c in axis["candidates"]]
    assert max(tried) == 3


def test_as_of_leaves_later_orders_out(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    report = run_json(capsys, "--csv-path", shop, "--dry-run", "--as-of", "2024-06-30")
    assert report["features"]["as_of"] == "2024-06-30"
    assert report["features"]["n_future_lines"] > 0


def test_the_script_of_the_cron_jobs_gives_the_same_model(
    capsys: pytest.CaptureFixture[str], shop: Path
) -> None:
    script = ROOT / "scripts" / "load_efficient_segments_to_db.py"
    sizes = ("--sample-size", "5000", "--batch-size", "5000")
    options: tuple[object, ...] = ("--csv-path", shop, *sizes, *FEW_KS, "--dry-run")
    through: Outcome = spawn(sys.executable, script, *options, "--json")
    assert through.status == 0, through.err
    direct = call(capsys, "run", *options, "--json")
    same = "model_hash"
    assert json.loads(through.out)[same] == json.loads(direct.out)[same]


def test_a_given_mapping_takes_precedence_over_the_built_in_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [f"c{i},o{i},0{1 + i % 9}/03/2024,{10 + i}" for i in range(30)]
    path = write_shop(tmp_path / "dmy.csv", rows, "Customer_ID,Order_ID,Date,Sales")
    mapping = tmp_path / "dmy.toml"
    mapping.write_text(
        'title = "Day first"\n'
        'required = ["customer_id", "order_id", "ordered_at", "line_amount"]\n'
        '[columns]\ncustomer_id = "Customer_ID"\norder_id = "Order_ID"\n'
        'ordered_at = "Date"\nline_amount = "Sales"\n'
        '[text]\ntimestamps = ["%d/%m/%Y"]\n'
    )
    built_in = run_json(capsys, "--csv-path", path, "--dry-run")
    own = run_json(capsys, "--csv-path", path, "--dry-run", "--preset-file", mapping)
    assert (built_in["source"]["preset"], own["source"]["preset"]) == ("product_sales_order", "dmy")
    assert own["features"]["as_of"] == "2024-03-10"


def test_a_second_run_on_an_unquoted_glob_skips_the_rejects_of_the_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = shop_lines(40)
    write_shop(tmp_path / "a.csv", [*lines[:50], "c1,o1,never,20.5,1,0,0,p1,cat1,web"])
    write_shop(tmp_path / "b.csv", lines[50:])
    for _ in range(2):
        report = run_json(capsys, *sorted(tmp_path.glob("*.csv")), "--dry-run")
        assert [Path(path).name for path in report["source"]["paths"]] == ["a.csv", "b.csv"]
    assert (tmp_path / "a.rejects.csv").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_removes_its_files_and_is_failed_in_the_ledger(
    tmp_path: Path, database_url: str, number: signal.Signals, status: int
) -> None:
    path = tmp_path / "big.csv"
    generate_order_lines(path, 20_000, seed=1)
    spill = tmp_path / "spill"
    spill.mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "segpipe",
            "run",
            "--csv-path",
            path,
            "--database-url",
            database_url,
        ],
        env={**os.environ, "TMPDIR": str(spill)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    line = ""
    while "cluster: started" not in line:
        line = process.stderr.readline()
        assert line
    process.send_signal(number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == status
    assert "the last results stay live" in rest
    assert "Traceback" not in rest
    assert list(spill.iterdir()) == []
    with postgres.connect(database_url) as connection:
        query = "SELECT status, failed_stage FROM segmentation_runs"
        assert connection.execute(query).fetchall() == [("failed", "cluster")]
