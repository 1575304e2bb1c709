"""What the live path counts: plain numbers, read by the metrics endpoint."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class LiveStats:
    """Counts since the start of the process; belongs to the event loop's thread."""

    frames_sent: Counter[str] = field(default_factory=Counter)
    """By type of frame."""
    closes: Counter[int] = field(default_factory=Counter)
    """By close code of the server."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By code of the `error` frame."""
    resumes: Counter[str] = field(default_factory=Counter)
    """By outcome: recovered, trimmed, epoch."""
    bad_entries: int = 0
    """Stream entries that could not be read."""
    positions_lost: int = 0
