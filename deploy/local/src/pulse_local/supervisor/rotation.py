"""Bounds the logs: a file above its size is copied aside and emptied, and only a few copies are kept.

Parts append to their file directly, so that a log needs no living supervisor; a few lines written between copying and
emptying may be lost.
"""

from __future__ import annotations

import shutil
from pathlib import Path

LARGEST_LOG = 10 * 1024 * 1024
KEPT_COPIES = 3


def rotate(log: Path, largest: int = LARGEST_LOG, kept: int = KEPT_COPIES) -> bool:
    """Rotate one log when it is larger than `largest` bytes; returns whether it was."""
    if log.stat().st_size <= largest:
        return False
    for number in range(kept - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as stream:
        stream.truncate(0)
    return True


def rotate_all(directory: Path) -> None:
    """Rotate every log of a directory."""
    for log in directory.glob("*.log"):
        rotate(log)
