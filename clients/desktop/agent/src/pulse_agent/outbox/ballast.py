"""A file of ballast beside the outbox, given up when the disk is full.

On a full disk SQLite cannot even DELETE, because deleting writes to the log first; the ballast is the room for that.
Guarantees: it is made of real blocks (random bytes, which no file system stores as a hole). Never does: fail its
caller: without ballast the outbox still works, it only recovers later.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

CHUNK: Final = 256 * 1024


class Ballast:
    """`size` bytes at `path`; size 0 is no ballast."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def is_loaded(self) -> bool:
        """Tell whether the ballast is there in full."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return False

    def load(self, free_bytes: int, floor_bytes: int) -> None:
        """Make the ballast, where the disk has room for it well above the floor."""
        if not self._size or self.is_loaded or free_bytes < floor_bytes + 2 * self._size:
            return
        try:
            with self._path.open("wb") as file:
                for _ in range(0, self._size, CHUNK):
                    file.write(os.urandom(min(CHUNK, self._size)))
                os.fsync(file.fileno())
        except OSError:
            self.release()

    def release(self) -> bool:
        """Give the room back to the disk; tell whether there was any."""
        if not self._path.exists():
            return False
        with suppress(OSError):
            self._path.unlink()
            return True
        return False
