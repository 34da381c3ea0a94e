"""What was removed of a person, and what was not, as text."""

from __future__ import annotations

from segpipe.core.text import counted, indented, table_text
from segpipe.privacy.forget import ErasureReport


def erasure_text(found: ErasureReport) -> str:
    """What was removed where and what was not, without a newline at its end."""
    again = " had been forgotten before; what was left has been removed now" if found.tables else ""
    again = again or " had been forgotten before"
    state = again if found.was_forgotten else " is forgotten"
    lines = [f"Customer {found.customer_id} of store {found.store_id}{state}."]
    removed = [(erasure.table, counted(erasure.n_rows, "row")) for erasure in found.tables]
    removed += [
        (str(file.path), counted(file.n_records, "record"))
        for file in found.files
        if file.n_records
    ]
    if found.is_clean:
        lines.append("Nothing of the customer was found.")
    else:
        lines += ["Removed from:", *indented(table_text(("", ""), removed).splitlines()[1:])]
    troubles = [f"{file.path}: {file.trouble}." for file in found.files if file.trouble]
    lines += ["Not reached:", *indented([*troubles, *found.unreached])]
    lines.append("Segment sizes, moves and definitions are sums over all customers; they stay.")
    lines.append(
        "Later runs leave the customer out; a salted hash of the id is kept for that only."
    )
    return "\n".join(lines)
