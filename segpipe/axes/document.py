"""The text of docs/axes.md, made from the axis records; a test compares it with the file."""

from __future__ import annotations

from collections.abc import Iterator

from segpipe.axes.catalogue import AXES, read_axis, shipped_axes
from segpipe.axes.measures import MEASURES
from segpipe.axes.record import Axis, Claim, Feature, Prototype
from segpipe.axes.support import SUPPORT_HISTORY

_HEAD = """\
# The axes

Made from the records in `segpipe/axes/` by `make docs`; do not edit.

Names of axes, segments and states are public: SQL is written against them. Each customer has
exactly one segment or state on every axis. A *state* is for customers who are not eligible, with
strength 1. Two states are for all eligible customers at once, with strength 0: `unavailable` (the
input lacks what the axis needs, or no feature varies) and `no_structure` (no partition of the
eligible customers is reproducible). Where no name's claims hold for a segment, its name is composed
of its two strongest deviations, such as `high_orders_low_recency`.

Rules for every axis: ratios are missing where their denominator is not above zero; a missing
feature is filled with the population-weighted median of the eligible customers; features are
transformed, clipped to their weighted 1st and 99th percentile, then standardised by weighted mean
and deviation. `log` is ln(1 + x), `signed_log` is sign(x) ln(1 + |x|). A claim compares the
segment's weighted median with a fixed value, or the median's mid-rank among the eligible customers
with a quantile. Dates, weekdays and hours are the shop's wall clock; `as_of` counts as a whole day:
orders of that day are included, and an order of the day before is one day old.
"""

_METRICS = """\
## Metrics on each profile

| column | meaning |
|---|---|
| `lifetime_value` | amounts charged less everything refunded, returns included |
| `total_orders` | orders with at least one purchase line |
| `avg_order_value` | lifetime_value / total_orders |
| `days_since_last_purchase` | as_of - date of the last order |
| `customer_tenure_days` | as_of - date of the first order |
| `churn_risk_score` | probability, 0 to 1, of no order in the 90 days after as_of; NULL where the \
run could not learn or check it |
| `expected_value_90d` | expected revenue of these 90 days, net of refunds; NULL likewise |

Both are learnt from the file itself, again in every run: a logistic and a Poisson regression on the
customers of 90 days ago and what they did since. The features are days since the last order, days
with an order (all, and of the last 90 days), tenure, the shrunk rate of orders, the days since the
last order over the expected gap, the chance of such a silence, and value. With 270 days of orders
or more, the same fit made 90 days earlier is judged on the last 90 days, and the report says how it
did; a fit that ranks customers no better than the days since their last order, or is off by more
than 0.15 on average, is withheld. With 90 to 269 days the figures are provisional.
"""


_SHIPPED = """\
## Axes by name

These are not among the 13: a run has them only with `--axis-file NAME`, or `axis_paths = ["NAME"]`
under `[features]` of a settings file. They are files in `config/axes/`. An axis of your own is such
a file, too; one of the same name in the working folder replaces the shipped one. `n_segments = 5`
in such a file fixes the number of segments and overrides `--min-k` and `--max-k`; without it the
silhouette decides. A fixed number is kept even where two halves of the sample do not reproduce it;
the verdict is then `no structure`, and the report says why.
"""

_DERIVED = """\
## Derived measures

Made of the measures above and the shop's priors. An occasion is a day with an order. An expected
figure lies between the customer's own and the shop's: `mean` and `strength` of a share's prior say
where the shop's customers are, and how many occasions, orders or lines of the customer's own weigh
as much; of a rate the prior has a `shape`, and months or orders. Where customers differ in a share
no more than chance explains, the chances of it are missing.
"""


def axes_markdown() -> str:
    """The whole document."""
    parts = [_HEAD, _METRICS]
    parts += ["\n".join(_axis(number, axis)) for number, axis in enumerate(AXES, start=1)]
    parts.append("\n".join(_axis(len(AXES) + 1, SUPPORT_HISTORY)))
    parts.append(_SHIPPED)
    parts += ["\n".join(_axis(None, read_axis(path))) for path in shipped_axes().values()]
    parts.append("\n".join(_measures()))
    return "\n".join(parts)


def _axis(number: int | None, axis: Axis) -> Iterator[str]:
    yield f"## {number}. {axis.name}\n" if number else f"### {axis.name}\n"
    yield f"{axis.question} ({axis.group})"
    if axis.only_with:
        yield f"\nThe axis exists only with: {', '.join(axis.only_with)}."
    for rule in axis.eligibility:
        asked = f" (with {', '.join(rule.needs)})" if rule.needs else ""
        yield f"\nEligible: `{rule.measure}` >= {rule.at_least}, else `{rule.state}`{asked}."
    if axis.n_segments:
        yield f"\n{axis.n_segments} segments, fixed."
    elif axis.min_segments > 2:
        yield f"\nAt least {axis.min_segments} segments, where such a fine partition is eligible."
    yield "\n| feature | transform | where |\n|---|---|---|"
    for feature in axis.features:
        yield f"| `{feature.measure}` | {feature.transform} | {_where(feature)} |"
    yield "\n| segment | its customers | claims | where |\n|---|---|---|---|"
    for prototype in axis.prototypes:
        claims = "; ".join(_claim(claim) for claim in prototype.claims)
        yield f"| `{prototype.name}` | {prototype.description} | {claims} | {_where(prototype)} |"
    yield ""


def _measures() -> Iterator[str]:
    for head, is_derived in (("## Measures\n", False), (_DERIVED, True)):
        yield f"{head}\n| measure | unit | definition |\n|---|---|---|"
        for measure in MEASURES.values():
            if measure.is_derived == is_derived:
                yield f"| `{measure.name}` | {measure.unit} | {measure.definition} |"
        yield ""


def _where(part: Feature | Prototype) -> str:
    needs = [f"with {need}" for need in part.needs]
    return ", ".join([*needs, *(f"without {need}" for need in part.unless)]) or "always"


def _claim(claim: Claim) -> str:
    if claim.value is not None:
        return f"`{claim.measure}` {claim.side} {claim.value:.3g}"
    return f"`{claim.measure}` {claim.side} the {claim.quantile:.0%} quantile"
