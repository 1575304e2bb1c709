"""Readings of the last minutes, for a window's small chart, and those that came since it last looked.

Guarantees: bounded in number and bytes; overflow policy: the oldest goes; of a fast channel one reading each half second
is kept. Costs next to nothing while no window is open: readings stay the texts that they are on the disk.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from pulse_agent.domain.reading import StoredReading

MAX_SAMPLES: Final = 1_800
MAX_BYTES: Final = 1024 * 1024
KEPT_US: Final = 900 * 1_000_000
SPACING_US: Final = 490_000
"""Half a second, less what a timer may be early."""
MAX_CHANNELS: Final = 256
MAX_NEWS: Final = 64
"""Readings between two looks of the windows; overflow policy: the oldest goes, as only the newest value is shown."""


class SampleMemory:
    """Fed with what is on the disk, in the event loop."""

    def __init__(self) -> None:
        self._samples: deque[StoredReading] = deque()
        self._bytes = 0
        self._newest: dict[str, int] = {}
        self._news: deque[StoredReading] = deque(maxlen=MAX_NEWS)

    def take(self, stored: list[StoredReading]) -> None:
        """Keep what was just stored."""
        self._news.extend(stored[-MAX_NEWS:])
        for reading in stored:
            before = self._newest.get(reading.channel)
            if before is not None and 0 <= reading.recorded_at_us - before < SPACING_US:
                continue
            if len(self._newest) >= MAX_CHANNELS:
                self._newest.clear()
            self._newest[reading.channel] = reading.recorded_at_us
            self._samples.append(reading)
            self._bytes += len(reading.metrics_json)
        self._trim()

    def since(self, recorded_at_us: int) -> list[StoredReading]:
        """Return what was recorded at this time or later, in the order of storing."""
        return [reading for reading in self._samples if reading.recorded_at_us >= recorded_at_us]

    @property
    def first_sequence(self) -> int | None:
        """The sequence of the oldest that is kept; what came before it may still be on the disk."""
        return self._samples[0].sequence if self._samples else None

    def news(self) -> list[StoredReading]:
        """Return what came since the last call."""
        found = list(self._news)
        self._news.clear()
        return found

    def _trim(self) -> None:
        samples = self._samples
        while samples and (
            len(samples) > MAX_SAMPLES
            or self._bytes > MAX_BYTES
            or samples[-1].recorded_at_us - samples[0].recorded_at_us > KEPT_US
        ):
            self._bytes -= len(samples.popleft().metrics_json)
