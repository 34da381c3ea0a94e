"""The feature stage: order lines → one row per customer.

Takes the order_lines (and tickets) tables; gives the customer_features table, the reference
figures of its measures, and a FeatureInfo. Small grains that several measures share are kept as
tables, so that each is computed once; they are dropped at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from segpipe.axes import RAW_MEASURES
from segpipe.core.errors import InputError
from segpipe.core.report import FeatureInfo
from segpipe.core.schema import CUSTOMER_DAYS, CUSTOMER_FEATURES, ORDER_LINES, TICKETS, Reference
from segpipe.engines.duckdb import Connection
from segpipe.features import grains, measures
from segpipe.features.tables import Materializer, TableMaterializer
from segpipe.features.tickets import ticket_measures

N_BIGGEST_CHANNELS = 3
COUNTS = {  # metric → its measure; as a whole number
    "total_orders": "n_orders",
    "days_since_last_purchase": "recency_days",
    "customer_tenure_days": "tenure_days",
}

CHANNEL_KINDS = {
    "web": "web website online internet site app mobile ios android ecommerce e-commerce shopify"
    " woocommerce webshop desktop www",
    "store": "store in_store in-store instore shop pos retail branch offline outlet",
    "assisted": "phone telephone call call_center callcenter chat email mail agent sales rep"
    " assisted shopify_draft_order draft catalog",
}
TICKET_KINDS = {
    "email": "email e-mail mail",
    "chat": "chat live_chat livechat messenger whatsapp",
    "phone": "phone telephone call voice",
    "self_service": "self_service self-service selfservice help_center faq portal bot",
}


def compute_features(
    engine: Connection,
    inputs: frozenset[str],
    as_of: date | None,
    reference: Reference | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[FeatureInfo, Reference]:
    """Create customer_features from order_lines; measures of absent inputs are NULL.

    With `reference` (of a model) nothing is learnt from this population. Raises InputError where
    no customer has an order on or before `as_of`.
    """
    as_of = as_of or _day_after_newest(engine)
    with TableMaterializer(engine) as keep:
        parts, reference = measure_parts(keep, inputs, as_of, reference, progress)
        keep(CUSTOMER_FEATURES.name, _with_metrics(_joined(parts)), is_temporary=False)
        info = _info(engine, keep, as_of)
    if info.n_customers == 0:
        message = f"No customer has an order on or before {as_of}; give a later --as-of."
        raise InputError(message)
    return info, reference


def measure_parts(
    keep: Materializer,
    inputs: frozenset[str],
    as_of: date | ir.DateValue,
    reference: Reference | None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[list[ir.Table], Reference]:
    """Tables with a row per customer, and their reference figures: as given, or learnt here.

    The first has every customer with an order, and customer_id; the others may lack customers.
    """
    lines = keep.view("lines", grains.up_to(keep.table(ORDER_LINES.name), as_of))
    orders = keep("orders", grains.orders(lines))
    customers = keep("customers", grains.customers(orders, is_numbered=keep.is_numbered))
    sequence = keep("sequence", grains.order_sequence(orders, customers, as_of))
    keep.drop("orders")
    progress("orders")
    times = keep("times", measures.time_measures(sequence, as_of, has_channel="channel" in inputs))
    channels = keep("channels", grains.channels_of_orders(sequence))
    reference = reference or _learn_reference(keep, lines, channels, times, as_of)
    keyed = keep("keyed_lines", _keyed_lines(keep, lines, sequence, reference))
    progress("lines")
    gap = reference.median_gap_days
    parts = [
        measures.value_measures(customers),
        times,
        measures.overdue_measures(times, gap),
    ]
    if "channel" in inputs:
        kinds = {kind: words.split() for kind, words in CHANNEL_KINDS.items()}
        biggest = reference.biggest_channels
        shares = measures.channel_measures(channels, biggest, kinds)
        parts.append(keep("channel_shares", shares))
    if keep.is_numbered:  # a run has everybody, and learns the outlook from it
        keep(CUSTOMER_DAYS.name, grains.customer_days(sequence), is_temporary=False)
    keep.drop("channels", "sequence")
    parts.append(keep("prices", measures.price_measures(keyed)))
    if "product" in inputs:
        products = grains.products_of_orders(keyed)
        parts.append(keep("products", measures.product_measures(products, customers)))
        progress("products")
    if "category" in inputs:
        categories = grains.categories_of_orders(keyed)
        parts.append(keep("categories", measures.category_measures(categories, customers)))
        progress("categories")
    keep.drop("keyed_lines")
    if "tickets" in inputs:
        kinds = {kind: words.split() for kind, words in TICKET_KINDS.items()}
        parts.append(ticket_measures(keep.table(TICKETS.name), customers, as_of, kinds))
    return parts, reference


def _joined(parts: list[ir.Table]) -> ir.Table:
    """All parts side by side; the first has a row for every customer with an order."""
    whole, *others = parts
    for index, part in enumerate(others):
        key = f"customer_{index}"  # distinct names keep it one chain of joins, quick to plan
        keyed = part.rename({key: "customer"})
        whole = whole.left_join(keyed, whole.customer == keyed[key])
    return whole


def _with_metrics(table: ir.Table) -> ir.Table:
    """Every measure as a double, NULL where the input lacks it; then the published metrics."""
    counts = {metric: table[measure].cast("int32") for metric, measure in COUNTS.items()}
    known = set(table.columns)
    doubles = {
        name: (table[name] if name in known else ibis.null()).cast("float64")
        for name in RAW_MEASURES
    }
    return table.select("customer_id", **doubles, **counts).order_by("customer_id")


def _keyed_lines(
    keep: Materializer, lines: ir.Table, sequence: ir.Table, reference: Reference
) -> ir.Table:
    prices = _category_price_table(keep, reference)
    if not keep.is_numbered:
        return grains.keyed_lines(lines, sequence, None, prices, reference.shop_price)
    products = keep("product_numbers", grains.numbered(lines, "product_id"))
    numbers = grains.numbered(lines, "category").left_join(prices, "category")
    categories = keep("category_numbers", numbers.select("category", "number", "usual_price"))
    return grains.keyed_lines(lines, sequence, products, categories, reference.shop_price)


def _category_price_table(keep: Materializer, reference: Reference) -> ir.Table:
    known = {name: price for name, price in reference.category_prices.items() if price > 0}
    prices = pa.table(
        {
            "category": pa.array(known.keys(), pa.string()),
            "usual_price": pa.array(known.values(), pa.float64()),
        }
    )
    return keep.arrow("category_prices", prices)


def _learn_reference(
    keep: Materializer, lines: ir.Table, channels: ir.Table, times: ir.Table, as_of: date
) -> Reference:
    prices = keep.fetch(grains.category_prices(lines).order_by("category")).to_pylist()
    priced = lines.filter(~lines.is_return & (lines.unit_price > 0))
    shop_price = keep.fetch(priced.aggregate(median=priced.unit_price.median()))["median"][
        0
    ].as_py()
    by_size = channels.group_by("channel").aggregate(n=channels.n_orders.sum())
    ranked = by_size.order_by(by_size.n.desc(), "channel").limit(N_BIGGEST_CHANNELS)
    middle = times.aggregate(gap=times.mean_gap_days.median(), tenure=times.tenure_days.median())
    medians = keep.fetch(middle).to_pylist()[0]
    gap = medians["gap"] if medians["gap"] is not None else medians["tenure"]
    return Reference(
        as_of=as_of,
        category_prices={
            row["category"]: row["median_price"] for row in prices if row["category"] is not None
        },
        shop_price=1.0 if shop_price is None else shop_price,
        biggest_channels=tuple(keep.fetch(ranked)["channel"].to_pylist()),
        median_gap_days=0.0 if gap is None else float(gap),
    )


def _day_after_newest(engine: Connection) -> date:
    newest = engine.execute(
        f"SELECT max(ordered_local)::DATE FROM {ORDER_LINES.name} WHERE NOT is_return"
    ).fetchall()[0][0]
    if newest is None:
        message = "The file has returns only; expected orders. Export the orders, too."
        raise InputError(message)
    after: date = newest + timedelta(days=1)
    return after


def _info(engine: Connection, keep: TableMaterializer, as_of: date) -> FeatureInfo:
    customers = keep.table("customers")
    counted = keep.fetch(
        customers.aggregate(
            n_customers=customers.count(where=customers.n_orders > 0),
            n_orders=customers.n_orders.sum(),
            n_return_only=customers.count(where=customers.n_orders == 0),
        )
    ).to_pylist()[0]
    [(n_future,)] = engine.execute(
        f"SELECT count(*) FROM {ORDER_LINES.name} "
        f"WHERE ordered_local >= CAST($as_of AS DATE) + INTERVAL 1 DAY",
        {"as_of": as_of},
    ).fetchall()
    return FeatureInfo(
        as_of,
        counted["n_customers"],
        int(counted["n_orders"] or 0),
        counted["n_return_only"],
        n_future,
    )
