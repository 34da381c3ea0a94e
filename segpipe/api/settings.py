"""The settings of the service's workers: database, store, address, shared folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one `segpipe serve`, the same in each of its workers."""

    database_url: str = field(repr=False)  # it may hold a password
    store_id: str
    folder: Path  # temporary, shared: the rate limits and the workers' metrics
    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 1
    parent_pid: int | None = None  # a worker ends when it does; None: there is one process

    @property
    def rate_path(self) -> Path:
        """File in which the workers share the rate limits."""
        return self.folder / "rates"
