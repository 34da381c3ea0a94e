"""Where a checkpoint is kept, and its removal, which needs no engine."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.core.settings import home_path


def checkpoint_folder(store_id: str) -> Path:
    """Folder of what is kept of the store."""
    return home_path() / "resume" / hashlib.sha256(store_id.encode()).hexdigest()[:32]


def discard(store_id: str) -> None:
    """Remove what is kept of the store, and the folders around it if they are then empty."""
    folder = checkpoint_folder(store_id)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def erase_customer(store_id: str, customer_id: str) -> None:
    """Remove the customer from what is kept, by removing all of it.

    Raises InputError if that fails.
    """
    discard(store_id)
    folder = checkpoint_folder(store_id)
    if folder.exists():
        msg = f"{folder} may hold figures of customer {customer_id!r} and cannot be removed;"
        raise InputError(f"{msg} remove it, or run this as its owner.")
