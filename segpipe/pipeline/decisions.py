"""What a run did with each axis, once everybody is assigned.

Takes the decisions of discovery, the moves and the axes that were held back; gives the decisions as
the ledger and the report have them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from segpipe.core.decisions import HELD_BACK, INPUTS, REPLACED, SHARES
from segpipe.core.report import AxisDecision, AxisInfo, TransitionInfo
from segpipe.core.schema import MODEL

_NONE_HELD: Mapping[str, str] = MappingProxyType({})


def final_decisions(
    axes: Iterable[AxisInfo],
    transitions: Sequence[TransitionInfo] = (),
    held: Mapping[str, str] = _NONE_HELD,
) -> dict[str, AxisDecision]:
    """Axis → its decision, with the customers who have another segment by a replacement.

    held is axis → figures. Axes that were assigned with a given model have no decision.
    """
    found = {}
    for axis in axes:
        decision = axis.decision
        if decision is None:
            continue
        if axis.name in held:
            decision = dataclasses.replace(
                decision, decision=HELD_BACK, cause=SHARES, text=held[axis.name]
            )
        elif decision.decision == REPLACED:
            moved = [t for t in transitions if t.axis == axis.name and t.cause == MODEL]
            decision = dataclasses.replace(
                decision,
                n_moved=sum(t.n_customers for t in moved),
                value_moved=round(sum(t.lifetime_value for t in moved), 2),
            )
        found[axis.name] = decision
    return found


def axes_of_other_inputs(axes: Iterable[AxisInfo]) -> frozenset[str]:
    """Axes that were replaced since an input has come or gone.

    What the previous model would make of today's customers was made of other figures, so that all
    moves on these axes are by the model.
    """
    return frozenset(
        axis.name
        for axis in axes
        if axis.decision is not None
        and (axis.decision.decision, axis.decision.cause) == (REPLACED, INPUTS)
    )


def plain_decisions(decisions: Mapping[str, AxisDecision]) -> dict[str, Any]:
    """Axis → plain values of its decision, for the ledger."""
    return {axis: dataclasses.asdict(decision) for axis, decision in decisions.items()}


def held_axes(decisions: Mapping[str, AxisDecision]) -> frozenset[str]:
    """Axes on which customers keep the segments of their profiles for this run."""
    return frozenset(
        axis
        for axis, decision in decisions.items()
        if (decision.decision, decision.cause) == (HELD_BACK, SHARES)
    )
