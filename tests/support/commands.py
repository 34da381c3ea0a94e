"""Run segpipe as a user does, and small shops to run it on."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres
from segpipe.axes import AXES
from segpipe.cli import main

ROOT = Path(__file__).resolve().parents[2]
AXIS_NAMES = [axis.name for axis in AXES]
FEW_KS = ("--max-k", "3")  # fast; for tests that do not look at the segments
HEADER = (
    "customer_id,order_id,ordered_at,line_amount,quantity,discount_amount,refund_amount,"
    "product_id,category,channel"
)


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run `segpipe` in this process."""
    status = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = int(error.code or 0)
    printed = capsys.readouterr()
    return Outcome(status, printed.out, printed.err)


def spawn(*command: object, **env: str) -> Outcome:
    """Run a program in its own process."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def segpipe(*arguments: object, **env: str) -> Outcome:
    """Run `python -m segpipe` in its own process."""
    return spawn(sys.executable, "-m", "segpipe", *arguments, **env)


def shop_lines(n_customers: int = 80, seed: int = 1) -> list[str]:
    """Order lines of a small shop in the columns of HEADER, one to nine orders a customer."""
    rng = random.Random(seed)  # noqa: S311 - a made-up shop
    lines, start = [], datetime(2024, 1, 1, 9, 0)  # noqa: DTZ001 - the shop's wall clock
    for customer in range(n_customers):
        for order in range(rng.randint(1, 9)):
            at = start + timedelta(minutes=rng.randrange(500 * 1440))
            for _ in range(rng.randint(1, 3)):
                amount = round(math.exp(rng.gauss(3, 1)), 2)
                discount = round(amount * 0.2, 2) if rng.random() < 0.3 else 0
                refund = amount if rng.random() < 0.05 else 0
                product = rng.randrange(40)
                channel = rng.choice(["web", "store", "phone"])
                lines.append(
                    f"c{customer:04d},o{customer}-{order},{at.isoformat()},{amount},1,{discount},"
                    f"{refund},p{product},cat{product % 6},{channel}"
                )
    return lines


def write_shop(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def profiles(url: str) -> list[dict[str, Any]]:
    """Every published profile, by customer."""
    with postgres.connect(url) as connection:
        return postgres.fetch_dicts(
            connection, "SELECT * FROM customer_profiles ORDER BY store_id, customer_id"
        )


def assert_whole(found: list[dict[str, Any]]) -> None:
    """Each profile has a segment on all 13 axes, strengths from 0 to 1, and finite figures."""
    assert found
    for profile in found:
        assert set(profile["segment_memberships"]) == set(AXIS_NAMES)
        assert all(profile["segment_memberships"].values())
        assert profile["dominant_segments"] == profile["segment_memberships"]
        assert set(profile["membership_strengths"]) == set(AXIS_NAMES)
        assert all(0 <= value <= 1 for value in profile["membership_strengths"].values())
        for metric in ("lifetime_value", "avg_order_value"):
            assert math.isfinite(profile[metric])
        risk, value = profile["churn_risk_score"], profile["expected_value_90d"]
        assert (risk is None) == (value is None)
        assert risk is None or (0 <= risk <= 1 and value >= 0)
        assert profile["rfm_score"] is None  # there is no axis rfm
        assert profile["total_orders"] >= 1
        assert profile["days_since_last_purchase"] >= 0
        assert profile["customer_tenure_days"] >= profile["days_since_last_purchase"]
