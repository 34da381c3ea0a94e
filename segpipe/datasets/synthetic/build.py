"""Synthetic order lines of any size from a seed: visits, then traits, orders and lines, by block.

Takes file names, a number of customers and a seed; writes the export and, on request, tickets and
the planted truth; gives a GenerateInfo. Each block has its own seed, so memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segpipe.core.arrays import Ints
from segpipe.core.errors import InputError
from segpipe.datasets.synthetic import catalogue
from segpipe.datasets.synthetic.lines import Lines, make_lines
from segpipe.datasets.synthetic.orders import make_orders
from segpipe.datasets.synthetic.tickets import TicketSpan, make_tickets
from segpipe.datasets.synthetic.traits import draw_traits
from segpipe.datasets.synthetic.truth import planted_axes, truth_table, without_structure
from segpipe.datasets.synthetic.visits import draw_visits
from segpipe.datasets.synthetic.write import Write, check_path, open_writer

UNTIL = date(2025, 6, 30)
BLOCK_CUSTOMERS = 20_000
GUESTS_PER_CUSTOMER = 0.22  # a guest has one order, a customer about 6.6: 3 % of the lines
CHANNELS = ("web", "store", "phone")
_FIRST_LONG_ID = 100_000_000


@dataclass(frozen=True)
class GenerateInfo:
    """What was written."""

    customers: int
    orders: int  # guests' orders included
    lines: int  # everything below the header
    guests: int  # lines without a customer id
    returns: int  # lines with a negative quantity
    tickets: int
    planted: tuple[str, ...]  # axes with planted classes, the columns of the truth file


def generate_order_lines(
    path: Path,
    n_customers: int = 93_564,
    seed: int = 42,
    *,
    tickets_path: Path | None = None,
    truth_path: Path | None = None,
    unstructured: frozenset[str] = frozenset(),
    until: date = UNTIL,
    has_season: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> GenerateInfo:
    """Write order lines in the columns of the preset `product_sales_order`; same seed, same bytes.

    Axes in `unstructured` get one continuous distribution instead of classes. The history is the
    two years up to the end of `until`, and the shop's mix of customers is the same at any date.
    `has_season` adds a peak before Christmas, and customers who order only then. `progress` is
    called with customers done and in total.
    Raises InputError for an invalid argument and a file that cannot be written.
    """
    loose = without_structure(unstructured)
    paths = [p for p in (path, tickets_path, truth_path) if p is not None]
    _check(paths, n_customers, seed)
    planted = planted_axes(unstructured)
    with ExitStack() as stack:
        write_lines = stack.enter_context(open_writer(path))
        write_tickets = stack.enter_context(open_writer(tickets_path)) if tickets_path else None
        write_truth = stack.enter_context(open_writer(truth_path)) if truth_path else None
        info = GenerateInfo(n_customers, 0, 0, 0, 0, 0, planted)
        n_blocks = -(-n_customers // BLOCK_CUSTOMERS)
        for block, own_seed in enumerate(np.random.SeedSequence(seed).spawn(n_blocks)):
            first = block * BLOCK_CUSTOMERS
            n = min(BLOCK_CUSTOMERS, n_customers - first)
            job = _Block(first, n, own_seed, until, loose, has_season, planted)
            info = _write_block(job, info, write_lines, write_tickets, write_truth)
            progress(first + n, n_customers)
    return info


def _check(paths: list[Path], n_customers: int, seed: int) -> None:
    if n_customers < 1:
        raise InputError(f"The number of customers is {n_customers}; expected 1 or more.")
    if seed < 0:
        raise InputError(f"The seed is {seed}; expected 0 or more.")
    for path in paths:
        check_path(path)
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("Two outputs have the same file name; give each its own.")


@dataclass(frozen=True)
class _Block:
    """Customers `first` to `first + n` of all."""

    first: int
    n: int
    seed: np.random.SeedSequence
    until: date
    loose: frozenset[str]
    has_season: bool
    planted: tuple[str, ...]


def _write_block(
    block: _Block,
    so_far: GenerateInfo,
    write_lines: Write,
    write_tickets: Write | None,
    write_truth: Write | None,
) -> GenerateInfo:
    rng, ticket_rng = (np.random.default_rng(s) for s in block.seed.spawn(2))
    n_guests = round(block.n * GUESTS_PER_CUSTOMER)
    end_day = (block.until - date(1970, 1, 1)).days
    end = (end_day + 1) * 86_400 - 1  # the day's last second
    visits = draw_visits(
        rng, (block.n, n_guests), block.until, block.loose, has_season=block.has_season
    )
    traits = draw_traits(rng, block.n, visits.n_orders, visits.is_holiday, block.loose)
    orders = make_orders(rng, traits, visits, end_day, block.loose)
    lines = make_lines(rng, traits, orders, end, block.loose)
    ids = _customer_ids(block.first, block.n)
    write_lines(_line_table(lines, ids, n_guests, so_far.orders))
    n_tickets = 0
    if write_tickets:
        tickets = make_tickets(ticket_rng, traits, orders, TicketSpan(ids, end), block.loose)
        n_tickets = tickets.num_rows
        write_tickets(tickets)
    if write_truth:
        has_tickets = write_tickets is not None
        write_truth(
            truth_table(
                traits,
                visits,
                orders.at,
                end_day,
                ids,
                block.planted,
                has_tickets=has_tickets,
            )
        )
    return GenerateInfo(
        customers=so_far.customers,
        orders=so_far.orders + len(orders.at),
        lines=so_far.lines + len(lines.order),
        guests=so_far.guests + int((lines.customer >= block.n).sum()),
        returns=so_far.returns + int((lines.quantity < 0).sum()),
        tickets=so_far.tickets + n_tickets,
        planted=so_far.planted,
    )


def _customer_ids(first: int, n: int) -> pa.Array:
    """Ids as text: most look like numbers, one in ten has leading zeros."""
    number = np.arange(first + 1, first + n + 1)
    short = pc.utf8_lpad(pc.cast(pa.array(number), pa.string()), width=7, padding="0")
    long = pc.cast(pa.array(number + _FIRST_LONG_ID), pa.string())
    return pc.if_else(pa.array(number % 10 == 0), short, long)


def _line_table(lines: Lines, ids: pa.Array, n_guests: int, n_orders_before: int) -> pa.Table:
    """The export: lines of a block by time, lines of an order together."""
    by_time = np.lexsort((lines.order, lines.at))
    product = pa.array(lines.product[by_time])
    number = pc.cast(pa.array(lines.order[by_time] + n_orders_before + 1), pa.string())
    classes = catalogue.product_classes().take(product)
    category = pa.array(lines.product[by_time] // catalogue.N_PRODUCTS)
    known_or_blank = pa.concat_arrays([ids, pa.nulls(n_guests, pa.string())])
    return pa.table(
        {
            "Customer_ID": known_or_blank.take(pa.array(lines.customer[by_time])),
            "Order_ID": pc.binary_join_element_wise(
                "SO", pc.utf8_lpad(number, width=8, padding="0"), ""
            ),
            "Date": pa.array(lines.at[by_time].astype("datetime64[s]")),
            "Sales": _money(lines.sales[by_time]),
            "Title": catalogue.titles().take(product),
            "ProductType": classes,
            "Category": catalogue.category_names().take(category),
            "QTY": pa.array(lines.quantity[by_time]),
            "TotalDiscount": _money(lines.discount[by_time]),
            "Refunds": _money(lines.refund[by_time]),
            "ProductId": catalogue.product_ids().take(product),
            "Source": pa.array(CHANNELS).take(pa.array(lines.channel[by_time])),
            "Price": _money(lines.price[by_time]),
        }
    )


def _money(cents: Ints) -> pa.Array:
    """Cents as decimals with two places: of 128 bits the low half, then the half of the sign."""
    halves = np.stack((cents, cents >> 63), axis=1).astype("<i8")
    return pa.Array.from_buffers(
        pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(np.ascontiguousarray(halves))]
    )
