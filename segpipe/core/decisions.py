"""What a run does with the current segments of an axis, and why they are replaced."""

from __future__ import annotations

NEW, KEPT, REPLACED, HELD_BACK = "new", "kept", "replaced", "held back"

INPUTS = "inputs"
DRIFT = "bounds renewed"
EMPTY = "empty segment"
CLAIM = "name no longer true"
NOT_SEPARATE = "no longer separate"
BETTER = "better groups"
NEW_GROUPS = "new groups"
ASKED = "asked for"
DIFFER = "customers differ"
METHOD = "other method"
EARLIER_VERSION = "earlier version"
SHARES = "shares moved"
AGREEMENT = "sample too small"

MEANINGS = {  # cause → what happened, a sentence without its capital and full stop
    INPUTS: "an input of the axis has come or gone",
    DRIFT: "customers have drifted across the cuts, which were renewed",
    EMPTY: "a segment had all but emptied",
    CLAIM: "a name no longer held for enough of its customers",
    NOT_SEPARATE: "the groups were no longer separate in two runs in a row",
    BETTER: "other groups were clearly better in two runs in a row",
    NEW_GROUPS: "customers fell into separate groups in two runs in a row",
    ASKED: "--rediscover asked for it",
    DIFFER: "customers differ in it now, beyond chance",
    METHOD: "the settings or the axis ask for another way to divide customers",
    EARLIER_VERSION: "the segments were made by an earlier version of segpipe",
    SHARES: "a segment's share moved by more than the gate allows",
    AGREEMENT: "other segments were found, but not the same ones in the sample and in everybody",
}
