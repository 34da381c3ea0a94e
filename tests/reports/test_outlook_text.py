"""What the console and the page say of churn risk and of expected value, each by its own check."""

from __future__ import annotations

from dataclasses import replace

from segpipe.core.report import OutlookInfo
from segpipe.reports.text import outlook_check_text, outlook_text, value_check_text

CHECKED = OutlookInfo(
    is_published=True,
    is_provisional=False,
    reason=None,
    n_checked=2000,
    auc=0.88,
    recency_auc=0.86,
    decile_error=0.033,
    level_shift=0.01,
    is_value_published=True,
    value_error=0.12,
    value_ratio=1.04,
    value_rank=0.6,
    lifetime_rank=0.3,
)


def test_each_figure_has_the_error_that_was_measured_for_it() -> None:
    churn, value = outlook_text(CHECKED).split("; ")
    assert "churn risk" in churn
    assert "3.3%" in churn
    assert "expected value" not in churn
    assert "expected value: off by 12%" in value
    assert "0.033" in outlook_check_text(CHECKED)
    assert "0.120 of mean revenue" in value_check_text(CHECKED)
    assert "1.040" in value_check_text(CHECKED)


def test_one_may_be_withheld_without_the_other() -> None:
    no_value = replace(CHECKED, is_value_published=False, value_reason="too far off")
    assert "3.3%" in outlook_text(no_value)
    assert outlook_text(no_value).endswith("no expected value: too far off")
    no_churn = replace(CHECKED, is_published=False, reason="a coin")
    assert outlook_text(no_churn).startswith("no churn risk: a coin; expected value: off by 12%")
    neither = replace(no_churn, is_value_published=False, value_reason="too far off")
    assert outlook_text(neither) == "no churn risk: a coin; no expected value: too far off"
    same = replace(neither, value_reason="a coin")
    assert outlook_text(same) == "no churn risk and no expected value: a coin"


def test_an_unchecked_value_is_not_given_the_figure_of_churn() -> None:
    earlier = replace(
        CHECKED, is_value_published=None, value_error=None, value_rank=None, value_ratio=None
    )
    assert outlook_text(earlier).endswith("expected value: not checked")
    assert value_check_text(earlier) == ""
    short = OutlookInfo(is_published=True, is_provisional=True, reason="200 days are too few")
    assert outlook_text(short).endswith("provisional: 200 days are too few")
