"""One agent per outbox: an advisory lock on a file beside it, released by the system when the process dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ATTEMPTS: Final = 4
PAUSE_SECONDS: Final = 0.05
"""`status` holds the lock for an instant to see whether it is free; a starting agent waits that out."""


class OutboxInUseError(Exception):
    """Another process holds this outbox."""

    is_readable = True  # its message says all: the log needs no traceback


class OutboxLock:
    """An exclusive lock on `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, within 0.2 s. Raises OutboxInUseError when another holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise OutboxInUseError(f"another agent is running on {self._path.parent}")
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(path: Path) -> bool:
    """Tell whether an agent is running on the outbox of this lock file."""
    if not path.exists():
        return False
    try:
        with OutboxLock(path):
            return False
    except OutboxInUseError:
        return True


def _try_lock(descriptor: int) -> bool:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            _lock(descriptor)
        except OSError:
            continue
        return True
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
