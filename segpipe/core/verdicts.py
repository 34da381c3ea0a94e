"""How the customers of an axis are divided, and what each verdict means."""

from __future__ import annotations

GROUPS = "groups"
TIERS = "tiers"
RULES = "rules"
K_MEANS = "k-means"
UNAVAILABLE = "unavailable"

MUST_HOLD = 0.8  # share of a segment's customers who meet its name when it is given

MEANINGS = {  # verdict → a sentence without its capital and full stop
    GROUPS: "customers fall into separate groups",
    TIERS: "one continuum, cut into tiers at stored bounds",
    RULES: "kinds of customers, each by a rule",
    K_MEANS: "one continuum, divided by k-means as the settings or the axis file ask",
    UNAVAILABLE: "the input lacks what this axis needs, or customers do not differ beyond chance",
}
