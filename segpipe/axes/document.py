"""The text of docs/axes.md, made from the axis records; a test compares it with the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segpipe.axes.catalogue import AXES, read_axis, shipped_axes
from segpipe.axes.measures import MEASURES
from segpipe.axes.record import (
    Axis,
    Claim,
    Condition,
    Eligibility,
    Feature,
    Learnt,
    Prototype,
    Rule,
    State,
    Tier,
)
from segpipe.axes.support import SUPPORT_HISTORY

_HEAD = """\
# The axes

Made from the records in `segpipe/axes/` by `make docs`; do not edit.

Names of axes, segments and states are public: SQL is written against them. Each customer has
exactly one segment or state on every axis. A *state* is for customers who are not eligible, or of
whom too little is known, with strength 1. `unavailable` is a state of all customers at once, with
strength 0: the input lacks what the axis needs, or customers do not differ in it beyond chance.

## How an axis is divided

Every run divides the eligible customers of its sample by k-means in the axis's features, with the
number of clusters by silhouette, and reports it. What is published is one of these (the axis's
verdict):

| verdict | meaning | a customer's segment | strength |
|---|---|---|---|
| `groups` | customers fall into separate groups | the nearest centroid | fuzzy membership of it |
| `tiers` | one continuum along the main measure, cut at stored bounds | the tier in which the \
figure lies, from its cut to below the next | distance by rank to the nearest cut, over the \
greatest possible in the tier: 0 at a cut, 1 at the middle of an inner tier or at the far end of \
an outer one |
| `rules` | kinds, each by a rule | the first rule that holds | the chance that the rule looks at, \
or 1 for plain facts |
| `k-means` | asked for by `--method kmeans`, or an axis of yours without tiers and rules; no gap \
between the segments | the nearest centroid | fuzzy membership of it |
| `unavailable` | an input is missing, or customers do not differ beyond chance | the state \
`unavailable` | 0 |

Tiers are natural breaks: k-means along the main measure alone, with a cut halfway between
neighbouring centroids. Each tier takes the name in whose band, from the end of the name before to
its own, the middle of its customers lies; names keep their order, and a name that no tier takes is
not used. A cut moves to the bound of a name that would be false in absolute terms. With
`cuts = "quantiles"` the cuts are the ends of the bands.

What a name says of a customer must hold of the customer's own figures; the share of members of whom
it does is published (`holds_for`), and the report names those below 80%.

With `--method kmeans` every axis has its k-means segments, also those that else never have groups,
such as `purchase_value`. The verdict is `groups` where there is a gap between the segments, else
`k-means`. Each segment takes the name whose claims hold of its median customer (the tables "Names
of k-means segments"); where none does, it has a name composed of its two strongest deviations, such
as `high_orders_low_recency`, which occurs nowhere else but on axes of your own. Names are given by
medians, so that more members than with the other methods may not meet theirs.

Rules for every axis: ratios are missing where their denominator is not above zero; a missing
feature is filled with the population-weighted median of the eligible customers; features are
transformed, clipped to their weighted 1st and 99th percentile, then standardised by weighted mean
and deviation. `log` is ln(1 + x), `signed_log` is sign(x) ln(1 + |x|). A customer without the
figure of a rule does not meet it. Names of k-means segments go by claims: a claim compares the
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
| `expected_value_90d` | expected revenue of these 90 days, net of refunds; NULL likewise, by a \
check of its own |
| `rfm_score` | scores of recency, frequency and value, each 1 to 5 (best), as three digits such \
as 543, by which the names of the axis [rfm](#rfm) go; NULL where the run has no such axis |

Churn risk and expected value are learnt from the file itself, again in every run: a logistic and a
Poisson regression on the customers of 90 days ago and what they did since. The features are days
since the last order, days with an order (all, and of the last 90 days), tenure, the shrunk rate of
orders, the days since the last order over the expected gap, the chance of such a silence, and
value: the lifetime's for churn, and an occasion's, drawn towards the shop's median, for expected
value. With 270 days of orders or more, the same fits made 90 days earlier are judged on the last 90
days, and the report says how each did. Churn risk that ranks customers no better than the days
since their last order, or is off by more than 0.15 on average, is withheld; so is expected value
that is off by more than half of the mean, on average over five groups of customers by expected
value, or ranks customers by revenue no better than chance may. With 90 to 269 days both are
provisional.
"""


_SHIPPED = """\
## Axes by name

These are not among the 13: a run has them only with `--axis-file NAME`, or `axis_paths = ["NAME"]`
under `[features]` of a settings file. They are files in `config/axes/`. An axis of your own is such
a file, too; one of the same name in the working folder replaces the shipped one. `n_segments = 5`
in such a file fixes the number of k-means segments and overrides `--min-k` and `--max-k`; without
it the silhouette decides. An axis file may state what the 13 axes state: `[[main]]` with
`[[tiers]]`, `[[rules]]` and `[[otherwise]]`. One that states neither tiers nor rules has k-means
segments, named by its prototypes.
"""

_DERIVED = """\
## Derived measures

Made of the measures above and the shop's priors. An occasion is a day with an order. An expected
figure lies between the customer's own and the shop's: `mean` and `strength` of a share's prior say
where the shop's customers are, and how many occasions, orders or lines of the customer's own weigh
as much; of a rate the prior has a `shape`, and months or orders. Where customers differ in a share
no more than chance explains, the chances of it are missing.
"""


_SIGNS = {"at_least": ">=", "above": ">", "below": "<", "at_most": "<="}


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
        yield f"\nEligible: `{rule.measure}` >= {rule.at_least}, else `{rule.state}`{_asked(rule)}."
    if not axis.has_groups:
        defined = "tiers" if axis.tiers else "rules"
        yield f"\nAlways `{defined}`, and never `groups` but with `--method kmeans`."
    yield from _rules(axis)
    yield from _tiers(axis)
    yield from _features(axis)
    yield from _prototypes(axis)
    yield ""


def _asked(rule: Eligibility) -> str:
    """When the rule is asked, in brackets."""
    asked = [f"with {need}" for need in rule.needs]
    asked += [f"of customers with {_condition(condition)}" for condition in rule.only]
    return f" ({', '.join(asked)})" if asked else ""


def _rules(axis: Axis) -> Iterator[str]:
    if not axis.rules:
        return
    yield "\nRules, of which the first that holds gives the name:"
    yield "\n| segment | its customers | rule | strength | the name says | where |"
    yield "|---|---|---|---|---|---|"
    for rule in axis.rules:
        asked = " or ".join(_conditions(part) for part in rule.any_of) or "everybody else"
        asked = f"of `{rule.within}`: {asked}" if rule.within else asked
        chance = f"{'1 - ' if rule.is_complement else ''}`{rule.chance}`" if rule.chance else "1"
        yield _row(
            f"`{rule.name}`", rule.meaning, asked, chance, _conditions(rule.claim), _where(rule)
        )
    for state in axis.otherwise:
        row = ("where no rule holds", "", "1 (a state)", "", _where(state))
        yield _row(f"`{state.name}`", *row)


def _tiers(axis: Axis) -> Iterator[str]:
    if not axis.tiers:
        return
    mains = "; ".join(
        f"`{feature.measure}` ({feature.transform}, {_where(feature)})" for feature in axis.main
    )
    yield f"\nTiers from low to high along the main measure: {mains}."
    yield "\n| segment | its customers | band | bounds of the name | where |\n|---|---|---|---|---|"
    ends = sorted({tier.top for tier in axis.tiers})
    for tier in axis.tiers:
        low = max([0.0, *(end for end in ends if end < tier.top)])
        band = f"{low:.0%} to {tier.top:.0%}"
        yield _row(f"`{tier.name}`", tier.meaning, band, "; ".join(_bounds(tier)), _where(tier))


def _bounds(tier: Tier) -> Iterator[str]:
    """In what the cuts beside a tier must respect."""
    if tier.at_least is not None:
        yield f"from {tier.at_least:.3g} on"
    if tier.below is not None:
        yield f"below {tier.below:.3g}"
    if tier.own_cut:
        yield f"from {_learnt(tier.own_cut)} on; the others are divided without it"
    if tier.also:
        yield f"and {_conditions(tier.also)}, else the tier below"


def _features(axis: Axis) -> Iterator[str]:
    yield "\n| feature | transform | where |\n|---|---|---|"
    for feature in axis.features:
        yield _row(f"`{feature.measure}`", feature.transform, _where(feature))


def _prototypes(axis: Axis) -> Iterator[str]:
    if not axis.prototypes:
        return
    yield "\nNames of k-means segments:"
    if axis.n_segments:
        yield f"\n{axis.n_segments} segments, fixed."
    elif axis.min_segments > 2:
        yield f"\nAt least {axis.min_segments} segments, where such a fine partition is eligible."
    yield "\n| segment | its customers | claims | where |\n|---|---|---|---|"
    for prototype in axis.prototypes:
        claims = "; ".join(_claim(claim) for claim in prototype.claims)
        yield _row(f"`{prototype.name}`", prototype.description, claims, _where(prototype))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _conditions(conditions: Iterable[Condition]) -> str:
    return " and ".join(_condition(condition) for condition in conditions)


def _condition(condition: Condition) -> str:
    bound = _learnt(condition.learnt) if condition.learnt else f"{condition.bound:.3g}"
    return f"`{condition.measure}` {_SIGNS[condition.side]} {bound}"


def _learnt(learnt: Learnt) -> str:
    """A bound that the run learns."""
    among = (
        f" of customers with `{learnt.among}` > {learnt.among_above:.3g}" if learnt.among else ""
    )
    bounds = [f"the {learnt.quantile:.0%} quantile{among}"]
    if learnt.least is not None:
        bounds.append(f"{learnt.least:.3g}")
    if learnt.least_medians is not None:
        bounds.append(f"{learnt.least_medians:.3g} times the median")
    return f"the greater of {' and '.join(bounds)}" if len(bounds) > 1 else bounds[0]


def _measures() -> Iterator[str]:
    for head, is_derived in (("## Measures\n", False), (_DERIVED, True)):
        yield f"{head}\n| measure | unit | definition |\n|---|---|---|"
        for measure in MEASURES.values():
            if measure.is_derived == is_derived:
                yield f"| `{measure.name}` | {measure.unit} | {measure.definition} |"
        yield ""


def _where(part: Feature | Prototype | Rule | State | Tier) -> str:
    needs = [f"with {need}" for need in part.needs]
    return ", ".join([*needs, *(f"without {need}" for need in part.unless)]) or "always"


def _claim(claim: Claim) -> str:
    if claim.value is not None:
        return f"`{claim.measure}` {claim.side} {claim.value:.3g}"
    return f"`{claim.measure}` {claim.side} the {claim.quantile:.0%} quantile"
