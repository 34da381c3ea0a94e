"""Sizes of the segments after one customer was added, was removed or moved.

Takes how the customer was counted and is now; counts, definitions and ledger are then what a count
over the profiles would give. Part of the transaction that writes the profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segpipe.postgres import Connection


@dataclass(frozen=True)
class Change:
    """One customer counted (1) or no longer counted (-1), with the value added or removed."""

    n_customers: int
    lifetime_value: float
    segments: Mapping[str, str]  # axis → segment or state


def resize(
    connection: Connection, store_id: str, run_id: int, before: Change | None, after: Change
) -> None:
    """Remove the customer from the sizes before, and add them to those after."""
    changes: dict[tuple[str, str], tuple[int, float]] = {}
    for change in (before, after):
        if change is None:
            continue
        for key in change.segments.items():
            n_customers, value = changes.get(key, (0, 0.0))
            changes[key] = (n_customers + change.n_customers, value + change.lifetime_value)
    _write_counts(connection, store_id, run_id, changes)
    _write_definitions(connection, store_id, run_id)
    if before is None:
        connection.execute(
            "UPDATE segmentation_runs SET n_customers = n_customers + 1 WHERE run_id = %s", [run_id]
        )


def _write_counts(
    connection: Connection,
    store_id: str,
    run_id: int,
    changes: Mapping[tuple[str, str], tuple[int, float]],
) -> None:
    """Add the changes; amounts have four decimals, so that rounding does not add up."""
    axes, segments = zip(*changes, strict=True)
    numbers, values = zip(*changes.values(), strict=True)
    connection.execute(
        """
        INSERT INTO segment_counts AS counts
            (store_id, run_id, axis, segment, n_customers, lifetime_value)
        SELECT %s, %s, axis, segment, n_customers, lifetime_value
        FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::double precision[])
            AS change (axis, segment, n_customers, lifetime_value)
        ON CONFLICT (store_id, run_id, axis, segment) DO UPDATE SET
            n_customers = counts.n_customers + EXCLUDED.n_customers,
            lifetime_value =
                round((counts.lifetime_value + EXCLUDED.lifetime_value)::numeric, 4)
        """,
        [store_id, run_id, list(axes), list(segments), list(numbers), list(values)],
    )
    connection.execute(
        "DELETE FROM segment_counts WHERE store_id = %s AND run_id = %s AND n_customers <= 0",
        [store_id, run_id],
    )


def _write_definitions(connection: Connection, store_id: str, run_id: int) -> None:
    """Sizes and shares as `counts.write_definitions` computes them, where they have changed."""
    connection.execute(
        """
        WITH sizes AS (
            SELECT axis, segment, n_customers, lifetime_value,
                sum(n_customers) OVER of_axis AS n_all,
                round((sum(lifetime_value) OVER of_axis)::numeric, 2) AS value_of_all
            FROM segment_counts WHERE store_id = %(store_id)s AND run_id = %(run_id)s
            WINDOW of_axis AS (PARTITION BY axis)
        ), new AS (
            SELECT axis, segment, coalesce(sizes.n_customers, 0) AS n_customers,
                coalesce(sizes.n_customers::double precision / n_all, 0) AS share,
                coalesce(round(sizes.lifetime_value::numeric, 2), 0)::double precision
                    AS lifetime_value,
                CASE WHEN value_of_all > 0
                    THEN round(sizes.lifetime_value::numeric, 2)::double precision
                        / value_of_all::double precision
                    ELSE 0 END AS value_share
            FROM segment_definitions LEFT JOIN sizes USING (axis, segment)
            WHERE store_id = %(store_id)s AND run_id = %(run_id)s
        )
        UPDATE segment_definitions AS old SET n_customers = new.n_customers, share = new.share,
            lifetime_value = new.lifetime_value, value_share = new.value_share
        FROM new
        WHERE old.store_id = %(store_id)s AND old.run_id = %(run_id)s
            AND old.axis = new.axis AND old.segment = new.segment
            AND (old.n_customers, old.share, old.lifetime_value, old.value_share) IS DISTINCT FROM
                (new.n_customers, new.share, new.lifetime_value, new.value_share)
        """,
        {"store_id": store_id, "run_id": run_id},
    )
