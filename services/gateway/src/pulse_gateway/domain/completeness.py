"""Which numbered readings of a device are here, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Range = tuple[int, int]
"""Sequence numbers from the first to the last, both included."""


@dataclass(frozen=True, slots=True)
class EpochCompleteness:
    """One epoch of a device's numbering: how much is here, what is missing, what the device declared lost."""

    epoch: int
    highest: int
    received: int
    missing: int
    lost: int
    missing_ranges: Sequence[Range]
    lost_ranges: Sequence[Range]
