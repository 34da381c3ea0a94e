"""Whether the segments can be lived with: how often groups are seen where there are some and none.

Each part is a measurement of its own; those that are named are measured, the others keep what they
have in benchmarks/results/segments.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import churn
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
}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "segments.json")
    asked = parser.parse_args()
    known = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for name in asked.parts or PARTS:
        measured = facts()  # before the measurement, during which the code may change
        result = PARTS[name].measure()
        known[name] = {**result, **measured}
        text = json.dumps(known, indent=2, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")
        print(PARTS[name].table(result))


if __name__ == "__main__":
    main()
