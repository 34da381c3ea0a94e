"""Synthetic order lines as files: formats, seeds, blocks, axes without structure, bad arguments."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from segpipe.core.errors import InputError
from segpipe.datasets.synthetic import (
    PLANTED_AXES,
    GenerateInfo,
    generate_order_lines,
    planted_axes,
)

HEADER = (
    "Customer_ID,Order_ID,Date,Sales,Title,ProductType,Category,QTY,TotalDiscount,Refunds,"
    "ProductId,Source,Price"
)


def test_the_header_is_that_of_the_preset(tmp_path: Path) -> None:
    generate_order_lines(tmp_path / "lines.csv", 10)
    assert (tmp_path / "lines.csv").read_text(encoding="utf-8").splitlines()[0] == HEADER


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate_order_lines(
            tmp_path / f"{name}.csv",
            200,
            seed,
            truth_path=tmp_path / f"{name}.truth.csv",
            tickets_path=tmp_path / f"{name}.tickets.csv",
        )
    for kind in (".csv", ".truth.csv", ".tickets.csv"):
        a, b, c = ((tmp_path / f"{name}{kind}").read_bytes() for name in "abc")
        assert a == b
        assert a != c


def test_order_lines_are_the_same_with_tickets(tmp_path: Path) -> None:
    generate_order_lines(tmp_path / "a.csv", 100)
    generate_order_lines(tmp_path / "b.csv", 100, tickets_path=tmp_path / "tickets.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_season_brings_a_peak_before_christmas_and_holiday_shoppers(tmp_path: Path) -> None:
    in_peak = {}
    for name, has_season in (("plain", False), ("season", True)):
        path, truth = tmp_path / f"{name}.parquet", tmp_path / f"{name}_truth.parquet"
        generate_order_lines(path, 1_000, truth_path=truth, has_season=has_season)
        month = pa.compute.month(pyarrow.parquet.read_table(path)["Date"]).to_numpy()
        in_peak[name] = np.isin(month, (11, 12)).mean()
        cadence = pyarrow.parquet.read_table(truth)["purchase_cadence"].to_pylist()
        assert ("holiday_shopper" in cadence) == has_season
    assert abs(in_peak["plain"] - 2 / 12) < 0.03
    assert in_peak["season"] > 0.3


def test_gzip_and_parquet_hold_the_same_rows_as_csv(tmp_path: Path) -> None:
    for suffix in (".csv", ".csv.gz", ".parquet"):
        generate_order_lines(tmp_path / f"lines{suffix}", 150)
    plain = (tmp_path / "lines.csv").read_bytes()
    assert gzip.decompress((tmp_path / "lines.csv.gz").read_bytes()) == plain
    rows = pyarrow.parquet.read_table(tmp_path / "lines.parquet")
    place = rows.schema.get_field_index("Date")  # Parquet counts milliseconds
    rows = rows.set_column(place, "Date", rows["Date"].cast(pa.timestamp("s")))
    again = tmp_path / "again.csv"
    options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="none")
    pyarrow.csv.write_csv(rows, again, write_options=options)
    assert again.read_bytes() == plain


def test_several_blocks_have_distinct_customers_and_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpipe.datasets.synthetic.build.BLOCK_CUSTOMERS", 40)
    reported: list[tuple[int, int]] = []
    info = generate_order_lines(
        tmp_path / "lines.parquet",
        100,
        truth_path=tmp_path / "truth.parquet",
        progress=lambda done, total: reported.append((done, total)),
    )
    rows = pyarrow.parquet.read_table(tmp_path / "lines.parquet")
    assert rows["Order_ID"].combine_chunks().unique().__len__() == info.orders
    assert len(rows["Customer_ID"].drop_null().unique()) == 100
    truth = pyarrow.parquet.read_table(tmp_path / "truth.parquet")
    assert truth.num_rows == 100
    assert set(truth["customer_id"].to_pylist()) == set(rows["Customer_ID"].drop_null().to_pylist())
    assert reported == [(40, 100), (80, 100), (100, 100)]


def test_one_customer_is_enough(tmp_path: Path) -> None:
    info = generate_order_lines(tmp_path / "lines.csv", 1)
    assert info == GenerateInfo(
        customers=1,
        orders=info.orders,
        lines=info.lines,
        guests=0,
        returns=info.returns,
        tickets=0,
        planted=PLANTED_AXES,
    )
    assert info.lines >= info.orders >= 1


@pytest.mark.parametrize("axis", PLANTED_AXES)
def test_an_axis_without_structure_is_left_out_of_the_truth(axis: str, tmp_path: Path) -> None:
    info = generate_order_lines(
        tmp_path / "lines.csv",
        300,
        tickets_path=tmp_path / "tickets.csv",
        truth_path=tmp_path / "truth.parquet",
        unstructured=frozenset({axis}),
    )
    assert axis not in info.planted
    assert info.planted == planted_axes(frozenset({axis}))
    names = pyarrow.parquet.read_schema(tmp_path / "truth.parquet").names
    assert tuple(names) == ("customer_id", *info.planted)


def test_axes_of_one_trait_lose_their_structure_together() -> None:
    left = planted_axes(frozenset({"repurchase_behavior", "customer_maturity"}))
    gone = {"category_exploration", "repurchase_behavior", "product_knowledge"}
    gone |= {"purchase_frequency", "customer_maturity"}
    assert set(PLANTED_AXES) - set(left) == gone


def test_channels_without_structure_have_no_class_of_single_channel_buyers(tmp_path: Path) -> None:
    shares = {}
    for name, loose in (
        ("classes", frozenset()),
        ("none", frozenset({"communication_preference"})),
    ):
        path = tmp_path / f"{name}.parquet"
        generate_order_lines(path, 1_000, unstructured=loose)
        rows = pyarrow.parquet.read_table(path, columns=["Customer_ID", "Order_ID", "Source"])
        channels = rows.group_by("Customer_ID").aggregate(
            [("Source", "count_distinct"), ("Order_ID", "count_distinct")]
        )
        many = channels.filter(pa.compute.field("Order_ID_count_distinct") >= 5)
        single = np.asarray(many["Source_count_distinct"]) == 1
        shares[name] = single.mean()
    assert shares["classes"] > 0.6
    assert shares["none"] < 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_customers": 0}, "number of customers is 0; expected 1 or more"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"path": "lines.xlsx"}, "'lines.xlsx' has an unknown ending; use .csv, .csv.gz, .parquet"),
        ({"path": "no/such/lines.csv"}, "does not exist; create it first"),
        ({"path": "folder.csv"}, "is a folder; name a file"),
        ({"truth_path": "truth.txt"}, "'truth.txt' has an unknown ending"),
        ({"truth_path": "lines.csv"}, "same file name"),
        ({"unstructured": frozenset({"rfm"})}, "'rfm' is not an axis that can be planted; known: "),
    ],
)
def test_invalid_arguments_are_an_error(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.iterdir())
    paths = {k: tmp_path / str(v) for k, v in options.items() if k.endswith("path")}
    arguments: dict[str, object] = {"path": tmp_path / "lines.csv", **options, **paths}
    with pytest.raises(InputError, match=words):
        generate_order_lines(**arguments)  # type: ignore[arg-type]
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_is_an_error_that_leaves_no_file_behind(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; "
        "from segpipe.core.errors import InputError;"
        " from segpipe.datasets.synthetic import generate_order_lines\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: generate_order_lines(Path(sys.argv[1]), 2_000, truth_path=Path(sys.argv[2]))\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lines.csv", tmp_path / "truth.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{tmp_path / 'lines.csv'} cannot be written (")
    assert list(tmp_path.iterdir()) == []
