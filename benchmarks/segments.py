"""Whether the segments can be lived with: true groups, names that hold, and calm months.

Each part is a measurement of its own; those that are named are measured, the others keep what they
have in benchmarks/results/segments.json. With --before the result is kept beside, as what it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backtest
import chains
import churn
import expected_value
import names
import stability
import steady
import verdicts
from measured import RESULTS, facts


@dataclass(frozen=True)
class Part:
    """One measurement and its table."""

    measure: Callable[[], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], str]


PARTS = {
    "verdict": Part(verdicts.measure, verdicts.table),
    "churn": Part(churn.measure, churn.table),
    "value": Part(expected_value.measure, expected_value.table),
    "chains": Part(chains.measure, chains.table),
    "stability": Part(stability.measure, stability.table),
    "names": Part(names.measure, names.table),
    "steady": Part(steady.measure, steady.table),
    "backtest": Part(backtest.measure, backtest.table),
}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "segments.json")
    parser.add_argument("--before", action="store_true", help="keep it as the figures before")
    asked = parser.parse_args()
    known = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for name in asked.parts or PARTS:
        measured = facts()  # before the measurement, during which the code may change
        result = {**PARTS[name].measure(), **measured}
        old = known.get(name, {})
        known[name] = _beside(old, result) if asked.before else _after(old, result)
        text = json.dumps(known, indent=2, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")
        print(f"{name}, at {measured['commit']}\n{PARTS[name].table(result)}\n")
        if "before" in known[name] and not asked.before:
            before = known[name]["before"]
            print(f"before, at {before['commit']}\n{PARTS[name].table(before)}\n")


def _after(old: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, **({"before": old["before"]} if "before" in old else {})}


def _beside(old: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    return {**old, "before": before}


if __name__ == "__main__":
    main()
