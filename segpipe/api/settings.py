"""What a worker process is told: the database, the store, and where the workers meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one `segpipe serve`, the same in each of its workers."""

    database_url: str = field(repr=False)  # it may hold a password
    store_id: str
    folder: Path  # temporary, of the rate limits and the workers' figures
    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 1
    parent_pid: int | None = None  # a worker ends with it; None: there is one process

    @property
    def rate_path(self) -> Path:
        """File by which the workers share the rate limits."""
        return self.folder / "rates"
