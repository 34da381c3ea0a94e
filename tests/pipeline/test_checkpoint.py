"""Resume: what a run keeps gives the same run again, for the same origin and the same user."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from segpipe.axes import AXES
from segpipe.core.errors import InputError
from segpipe.core.report import SourceInfo
from segpipe.core.settings import (
    ClusterSettings,
    EngineSettings,
    RunSettings,
    SampleSettings,
)
from segpipe.discovery.discover import discover
from segpipe.discovery.refit import Population
from segpipe.discovery.sampling import draw_sample
from segpipe.engines.base import CustomerTable
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally
from segpipe.model.document import Model
from segpipe.pipeline.checkpoint import Origin, find, origin_of, restore, save
from segpipe.pipeline.checkpoint_folder import discard, erase_customer
from segpipe.pipeline.context import Discovered
from segpipe.pipeline.memberships import Since, assign_population, measure_batches
from segpipe.pipeline.summary import discovered_axes, scatter_points
from tests.support.features import ALL_INPUTS, AS_OF, Row, engine_of, line

STORE = "schuhe & mehr"
SETTINGS = RunSettings(cluster=ClusterSettings(max_k=3, restarts=2))
SINCE = Since(date(2025, 2, 1), AS_OF)
INPUT_HASH = "b" * 64


def _shop() -> tuple[list[Row], list[Row]]:
    """Order lines and tickets of 300 customers, some with tickets after as_of."""
    draw = random.Random(3)  # noqa: S311 - a made-up shop
    lines, tickets = [], []
    for number in range(300):
        customer = f"c{number:03}"
        for order in range(draw.choice([1, 2, 3, 8])):
            lines += [
                line(
                    customer,
                    f"o{order}",
                    f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} 12:00",
                    line_amount=str(draw.choice([5, 20, 200]) + draw.randint(0, 9)),
                    discount_amount=str(draw.choice([0, 0, 3])),
                    refund_amount=str(draw.choice([0, 0, 0, 2])),
                    product_id=f"p{draw.randint(0, 20)}",
                    category=f"k{draw.randint(0, 3)}",
                    channel=draw.choice(["web", "store"]),
                )
                for _ in range(draw.randint(1, 3))
            ]
        tickets += [
            {"customer_id": customer, "created_at": f"2025-0{month}-15 08:00", "channel": "email"}
            for month in range(1, 5)
            if draw.random() < 0.3
        ]
    return lines, tickets


@dataclass(frozen=True)
class Kept:
    """A run up to clustering, its engine still open, and the model of the run before it."""

    customers: CustomerTable
    origin: Origin
    found: Discovered
    former: Model

    def save(self, store_id: str = STORE) -> str | None:
        return save(self.customers, store_id, self.origin, self.found, self.former)


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    lines, tickets = _shop()
    with engine_of(lines, tickets) as engine:
        features, reference = compute_features(engine, ALL_INPUTS, AS_OF)
        customers = DuckDbTables(engine)
        sample, info = draw_sample(customers, SampleSettings(size=200))
        population = Population(customers, info.n_drawn, info.n_customers)
        discovered = discover(
            sample,
            AXES,
            ALL_INPUTS,
            SETTINGS.cluster,
            seed=42,
            as_of=AS_OF,
            population=population,
        )
        axes = tuple(found.model for found in discovered)
        model = Model(42, tuple(sorted(ALL_INPUTS)), "UTC", reference, axes)
        source = SourceInfo(
            preset="standard",
            paths=("a.csv", "größer.csv"),
            input_hash=INPUT_HASH,
            n_rows_read=len(lines) + 2,
            n_rows_rejected=2,
            rejects_path=Path("a.rejects.csv"),
            reject_reasons={"date cannot be read": 2},
            n_guest_lines=0,
            n_return_lines=0,
            n_shared_orders=0,
            currency=None,
            inputs=ALL_INPUTS,
            first_ordered_at=datetime(2024, 1, 1, 12),  # noqa: DTZ001 - UTC, as in the engine
            last_ordered_at=datetime(2024, 12, 28, 12, 0, 0, 5),  # noqa: DTZ001
            n_tickets=len(tickets),
            notes=("a note",),
        )
        found = Discovered(
            source=source,
            features=features,
            sample=info,
            axes=discovered_axes(model, discovered),
            model=model,
            scatter=scatter_points(discovered),
        )
        # On the same axes the former model looks at measures that the new one does not need.
        former = tuple(replace(axes[i + 4], name=axes[i].name) for i in range(4))
        found = replace(found, model=replace(model, axes=axes[:4]))
        origin = origin_of(SETTINGS, INPUT_HASH, None)
        yield Kept(customers, origin, found, replace(model, axes=former))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home [1]" / "store=2"  # no pattern, no partition
    monkeypatch.setenv("SEGPIPE_HOME", str(path))
    return path


def _batches(customers: CustomerTable, model: Model, former: Model, size: int) -> list[bytes]:
    assigned = assign_population(customers, model, size, Tally(), former, SINCE)
    measures = measure_batches(customers, model, size)
    return [_bytes(batches) for batches in (assigned, measures)]


def _bytes(batches: Iterator[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_batches(list(batches))
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_what_is_kept_gives_the_same_run_again(kept: Kept) -> None:
    assert kept.save() is None
    again = find(STORE, kept.origin)
    assert isinstance(again, Discovered)
    assert again == kept.found
    assert again.model.hash() == kept.found.model.hash()
    assert again.model.document() == kept.found.model.document()
    assert {type(axis.agreement).__name__ for axis in again.axes} >= {"AgreementInfo"}
    model = kept.found.model
    with open_engine(EngineSettings(threads=1)) as engine:
        restored = DuckDbTables(engine)
        restore(restored, STORE, again)
        for size in (7, 5000):
            before = _batches(kept.customers, model, kept.former, size)
            assert _batches(restored, model, kept.former, size) == before
        described = engine.execute("DESCRIBE customer_features").fetchall()
        assert "store" not in {row[0] for row in described}  # as the folder's name would have it


def test_without_tickets_or_a_former_model_less_is_kept(kept: Kept, home: Path) -> None:
    found = replace(kept.found, model=replace(kept.found.model, inputs=()), sample=None)
    assert save(kept.customers, STORE, kept.origin, found, None) is None
    assert [path.name for path in _files(home)] == ["customer_features.parquet", "run.json"]
    again = find(STORE, kept.origin)
    assert again == found
    with open_engine(EngineSettings()) as engine:
        restored = DuckDbTables(engine)
        restore(restored, STORE, found)
        assigned = _bytes(assign_population(restored, found.model, 50, Tally()))
    assert assigned == _bytes(assign_population(kept.customers, found.model, 50, Tally()))


def test_only_the_user_can_read_it_and_discarding_removes_it(kept: Kept, home: Path) -> None:
    kept.save()
    kept.save("other")
    files = _files(home)
    assert [path.name for path in files] == 2 * [
        "customer_features.parquet",
        "run.json",
        "tickets.parquet",
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    folders = {folder for path in files for folder in (path.parent, path.parent.parent)}
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    discard(STORE)
    assert find(STORE, kept.origin) == (
        "nothing is kept of an earlier run that got as far as clustering"
    )
    assert isinstance(find("other", kept.origin), Discovered)
    discard("other")
    discard("other")
    assert not home.exists()


def test_erasing_a_customer_removes_all_that_is_kept(
    kept: Kept, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.save()
    erase_customer(STORE, "c001")
    assert not _files(home)
    erase_customer(STORE, "c001")
    kept.save()
    monkeypatch.setattr(
        "segpipe.pipeline.checkpoint_folder.shutil.rmtree", lambda *_, **__: None
    )  # as if not allowed
    with pytest.raises(InputError, match=r"may hold figures of customer 'c001'.*remove it"):
        erase_customer(STORE, "c001")


def test_a_run_of_another_origin_learns_why_it_cannot_resume(kept: Kept) -> None:
    origin = kept.origin
    kept.save()
    reasons = {
        "version": f"what is kept was made by segpipe {origin.version}, this is x",
        "input_hash": "what is kept was made from another input",
        "settings": "what is kept was made with other settings",
        "previous": "another run was published or withdrawn since",
        "forgotten": "customers have been forgotten since",
    }
    for part, reason in reasons.items():
        assert find(STORE, replace(origin, **{part: "x"})) == reason
    assert isinstance(find(STORE, origin), Discovered)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "tickets.parquet").unlink(),
        lambda folder: (folder / "customer_features.parquet").write_bytes(b"PAR1"),
        lambda folder: _flip(folder / "customer_features.parquet"),
        lambda folder: (folder / "run.json").write_text("{}"),
        lambda folder: (folder / "run.json").write_text("[1"),
        lambda folder: (folder / "run.json").write_text("[]"),
        lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe"),
        lambda folder: _cut(folder / "run.json", '"model": {', '"model": null, "was": {'),
        lambda folder: _cut(folder / "run.json", '"axes": [', '"axes": 1, "was": ['),
        lambda folder: _cut(folder / "run.json", '"as_of": "', '"as_of": "x'),
        lambda folder: _cut(folder / "run.json", '"version"', '"versions"'),
    ],
)
def test_a_damaged_folder_is_a_reason_and_no_error(kept: Kept, home: Path, damage: object) -> None:
    kept.save()
    (folder,) = (home / "resume").iterdir()
    assert callable(damage)
    damage(folder)
    reason = find(STORE, kept.origin)
    assert isinstance(reason, str)
    assert "nothing is kept" in reason or "is damaged" in reason


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path, found: str, put: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert found in text
    path.write_text(text.replace(found, put), encoding="utf-8")


def test_a_killed_save_leaves_nothing_to_resume_and_the_next_one_succeeds(
    kept: Kept, home: Path
) -> None:
    kept.save()
    (folder,) = (home / "resume").iterdir()
    (folder / "run.json").rename(folder / "run.draft")
    assert isinstance(find(STORE, kept.origin), str)
    assert kept.save() is None
    assert find(STORE, kept.origin) == kept.found
    assert not (folder / "run.draft").exists()


def test_a_run_goes_on_with_a_note_when_nothing_can_be_kept(kept: Kept, home: Path) -> None:
    home.parent.mkdir()
    home.write_text("a file in place of a folder")
    note = kept.save()
    assert note is not None
    assert note.startswith("Nothing is kept for --resume, since ")
    assert isinstance(find(STORE, kept.origin), str)
