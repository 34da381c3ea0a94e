"""The rate limit of a key: takes its id and the time, gives the seconds that it has to wait.

The worker processes of a service share it through a file, eight bytes a key: if each process
counted for itself, the limit would grow with their number.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from threading import Lock

_SECOND = 1_000_000_000  # whole nanoseconds, so that N requests are never N - 1
_MINUTE = 60 * _SECOND
_DUE = struct.Struct("=q")
_SLOTS = 1 << 20  # ids this far apart share one, so that the sparse file ends at 8 MB


class RateLimit:
    """The generic cell rate algorithm (ITU-T I.371) on a file that several processes open.

    A key that was quiet for a minute may send a minute's worth at once, and not one more; then its
    requests are admitted evenly, one every 60 / per_minute seconds. Any t seconds thus have at most
    per_minute * (1 + t / 60).
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._threads = Lock()  # flock is between processes, not threads that share a descriptor

    def admit(self, key_id: int, per_minute: int, now: float) -> float:
        """0.0 if the request is admitted, else the seconds until the next one would be.

        `now` is time.monotonic(), which all processes of a machine share and which a correction of
        the clock does not change.
        """
        place = key_id % _SLOTS * _DUE.size
        interval = -(-_MINUTE // per_minute)
        at = round(now * _SECOND)
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                due = max(self._due(place), at)
                wait = due - at - (per_minute - 1) * interval
                if wait <= 0:
                    os.pwrite(self._file, _DUE.pack(due + interval), place)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return max(wait, 0) / _SECOND

    def close(self) -> None:
        """Close the file, which stays for the other processes."""
        os.close(self._file)

    def _due(self, place: int) -> int:
        """When the key's next request would be due if all came evenly; 0 before the first."""
        found = os.pread(self._file, _DUE.size, place)
        due: int = _DUE.unpack(found)[0] if len(found) == _DUE.size else 0
        return due
