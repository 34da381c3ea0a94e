"""How far the segments of an axis are groups, and what each verdict means."""

from __future__ import annotations

CLUSTERED = "clustered"
WEAK = "weak"
NO_STRUCTURE = "no structure"
UNAVAILABLE = "unavailable"

STRUCTURED = (CLUSTERED, WEAK)  # the segments are groups
MEANINGS = {  # verdict → a sentence without its capital and full stop
    CLUSTERED: "groups of their own, clearly apart",
    WEAK: "groups that overlap at their edges",
    NO_STRUCTURE: "one continuum, divided into tiers, not groups of their own",
    UNAVAILABLE: "the input lacks what this axis needs, so nobody has a segment",
}
