"""Plain values as the text of a file: JSON, YAML, and CSV that a spreadsheet cannot run.

The one place that imports yaml.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import yaml

_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}  # to some readers
_UNPRINTABLE = {  # in YAML
    code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
}
_AS_NUMBERS_DO = tuple("+-.0123456789")
_RUN_BY_SPREADSHEETS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are full-width
_KEPT = "'"  # before a text that a spreadsheet would run, and before one that begins with it


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Without references from one place of the document to another."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def _represented(dumper: Any, text: str) -> Any:  # noqa: ANN401 - published without types
    """Text that no version of YAML takes for a number or a date, such as 1e3 and 0o17."""
    style = '"' if text.startswith(_AS_NUMBERS_DO) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def json_text(document: object) -> str:
    """An indented document; raises ValueError for a number that is not finite."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_lines(records: Iterable[Mapping[str, Any]]) -> str:
    """A record a line."""
    texts = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)
    return "".join(f"{text.translate(_LINE_ENDS)}\n" for text in texts)


def yaml_text(document: object) -> str:
    """A document."""
    return str(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    )


def yaml_items(records: Iterable[Mapping[str, Any]]) -> str:
    """Records as items of a list, which further calls continue.

    Written here because yaml.dump takes half an hour for a million profiles, and this a minute. All
    values are numbers, quoted texts, or flat maps of these.
    """
    return "".join(_yaml_item(record) for record in records)


def _yaml_item(record: Mapping[str, Any]) -> str:
    lines = []
    for name, value in record.items():
        if isinstance(value, dict) and value:
            lines.append(f"{_yaml_key(name)}:")
            lines += [f"  {_yaml_key(key)}: {_yaml_value(item)}" for key, item in value.items()]
        else:
            lines.append(f"{_yaml_key(name)}: {_yaml_value(value)}")
    return "- " + "\n  ".join(lines) + "\n"


@cache
def _yaml_key(name: str) -> str:
    """Unquoted if it cannot be a word of YAML's own, such as `on`."""
    return name if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", name) else _yaml_value(name)


def _yaml_value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, str):
        return text.translate(_UNPRINTABLE)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # which every version takes for a number
    return text


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Comma-separated lines; None is empty, and no text begins as a formula does.

    Such a text gets an apostrophe in front, and so does one that begins with an apostrophe: without
    the first apostrophe it is the text again.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180; also quotes an isolated \r
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith((*_RUN_BY_SPREADSHEETS, _KEPT)):
        return _KEPT + value
    return value
