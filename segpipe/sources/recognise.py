"""Which preset reads a file, by its header.

Takes a header and presets; gives a Mapping, or an error that lists what is missing and names the
closest preset.
"""

from __future__ import annotations

from dataclasses import dataclass

from segpipe.core.errors import InputError
from segpipe.core.suggestions import did_you_mean
from segpipe.sources.presets import FORMULAS, Preset, normalised


@dataclass(frozen=True)
class Mapping:
    """A preset applied to a header: canonical name → positions in the header, in their order."""

    preset: Preset
    header: tuple[str, ...]
    positions: dict[str, tuple[int, ...]]

    @property
    def missing(self) -> tuple[str, ...]:
        """Required canonical names that the header lacks."""
        return tuple(name for name in self.preset.required if not self._has(name))

    @property
    def n_matched(self) -> int:
        """Columns of the header that the preset reads."""
        return len({position for found in self.positions.values() for position in found})

    @property
    def is_after_refunds(self) -> bool:
        """Whether amounts are net of refunds, because the column they come from is."""
        name = "line_amount" if "line_amount" in self.positions else "quantity"
        first = self.positions.get(name, ())[:1]
        net = {normalised(header) for header in self.preset.after_refunds}
        return any(normalised(self.header[position]) in net for position in first)

    def _has(self, name: str) -> bool:
        if name in self.positions:
            return True
        formula = self.preset.line_amount_from
        # Quantity has a default of 1, so only the price is required.
        parts = FORMULAS[formula] if name == "line_amount" and formula else ()
        return bool(parts) and all(part in self.positions for part in parts if part != "quantity")


def map_header(preset: Preset, header: tuple[str, ...]) -> Mapping:
    """The positions of the preset's columns in `header`; equal headers keep their order."""
    known: dict[str, list[int]] = {}
    for position, name in enumerate(header):
        known.setdefault(normalised(name), []).append(position)
    positions = {}
    for canonical, names in preset.columns.items():
        several = [known.get(normalised(name), []) for name in names]
        if canonical in preset.sums:  # a repeated column is added once
            several = [positions_of[:1] for positions_of in several]
        found = [position for positions_of in several for position in positions_of]
        if found:
            positions[canonical] = tuple(dict.fromkeys(found))
    return Mapping(preset, header, positions)


def recognise(
    what: str, header: tuple[str, ...], presets: tuple[Preset, ...], name: str | None
) -> Mapping:
    """The mapping of the preset called `name`, else of the one that reads most columns.

    A user's own preset that fits wins over the built-in ones.

    Raises InputError when a required column is missing or no preset has that name.
    """
    candidates = [map_header(preset, header) for preset in presets if not preset.line_pattern]
    if name is not None:
        chosen = map_header(named_preset(name, presets), header)
        if chosen.missing:
            raise InputError(_missing_message(what, chosen, candidates))
        return chosen
    whole = [candidate for candidate in candidates if not candidate.missing]
    if not whole:
        raise InputError(_missing_message(what, _closest(candidates), candidates))
    return max(whole, key=_rank)


def named_preset(name: str, presets: tuple[Preset, ...]) -> Preset:
    """The preset of that name; raises InputError where there is none."""
    for preset in presets:
        if preset.name == name:
            return preset
    hint = did_you_mean(name, [preset.name for preset in presets])
    raise InputError(f"There is no preset {name!r}. {hint}")


def _rank(mapping: Mapping) -> tuple[bool, int]:
    """A user's own mapping comes before the built-in ones, since the user asked for it."""
    return not mapping.preset.is_builtin, mapping.n_matched


def _closest(candidates: list[Mapping]) -> Mapping:
    return max(
        candidates,
        key=lambda mapping: (
            mapping.n_matched / len(mapping.preset.columns)
            - len(mapping.missing) / len(mapping.preset.required),
            *_rank(mapping),
        ),
    )


def _missing_message(what: str, wanted: Mapping, candidates: list[Mapping]) -> str:
    missing = "; ".join(f"{name} ({_headers(wanted.preset, name)})" for name in wanted.missing)
    header = ", ".join(wanted.header[:40]) + (", ..." if len(wanted.header) > 40 else "")
    found = f"{what} lacks required columns: {missing}. It has: {header}. "
    if len(candidates) == 1:
        return found + "Rename its columns."
    return (
        f"{found}The closest preset is {_closest(candidates).preset.name}; rename the columns, "
        f"name another preset, or write a mapping of your own (docs/sources.md)."
    )


def _headers(preset: Preset, name: str) -> str:
    names = list(preset.columns.get(name, ()))
    if name == "line_amount" and preset.line_amount_from:
        names.append(
            " and ".join(
                preset.columns[part][0]
                for part in FORMULAS[preset.line_amount_from]
                if part in preset.columns
            )
        )
    return " or ".join(names)
