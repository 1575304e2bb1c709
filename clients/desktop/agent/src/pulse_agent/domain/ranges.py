"""Sets of sequences as closed ranges: what is due, on its way, settled.

Guarantees: ranges are kept sorted, disjoint and never adjacent, so a backlog of a million readings is one pair of
numbers. Never does: hold single sequences, or anything beside integers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class RangeSet:
    """A mutable set of integers, held as closed ranges. All operations cost O(log n + ranges touched)."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in ranges:
            self.add(low, high)

    def __iter__(self) -> Iterator[Range]:
        return zip(self._lows, self._highs, strict=True)

    def __bool__(self) -> bool:
        return bool(self._lows)

    def __len__(self) -> int:
        """Return how many ranges there are."""
        return len(self._lows)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._lows, number) - 1
        return at >= 0 and number <= self._highs[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._lows == other._lows and self._highs == other._highs

    __hash__ = None  # type: ignore[assignment] # mutable: it has no hash

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    @property
    def total(self) -> int:
        """How many integers the set holds."""
        return sum(self._highs) - sum(self._lows) + len(self._lows)

    def first(self) -> Range | None:
        """Return the lowest range."""
        return (self._lows[0], self._highs[0]) if self._lows else None

    def add(self, low: int, high: int) -> None:
        """Add low..high; nothing when high is below low."""
        if high < low:
            return
        start = bisect_left(self._highs, low - 1)
        end = bisect_right(self._lows, high + 1)
        if start < end:
            low = min(low, self._lows[start])
            high = max(high, self._highs[end - 1])
        self._lows[start:end] = [low]
        self._highs[start:end] = [high]

    def remove(self, low: int, high: int) -> int:
        """Remove low..high and return how many integers of it were in the set."""
        if high < low:
            return 0
        start = bisect_left(self._highs, low)
        end = bisect_right(self._lows, high)
        if start >= end:
            return 0
        removed = 0
        kept: list[Range] = []
        for at in range(start, end):
            a, b = self._lows[at], self._highs[at]
            removed += min(b, high) - max(a, low) + 1
            if a < low:
                kept.append((a, low - 1))
            if b > high:
                kept.append((high + 1, b))
        self._lows[start:end] = [a for a, _ in kept]
        self._highs[start:end] = [b for _, b in kept]
        return removed

    def within(self, low: int, high: int) -> list[Range]:
        """Return the parts of the set that lie in low..high."""
        start = bisect_left(self._highs, low)
        end = bisect_right(self._lows, high)
        return [(max(self._lows[at], low), min(self._highs[at], high)) for at in range(start, end)]

    def pop_first(self, limit: int) -> Range | None:
        """Take away and return the lowest range, cut to `limit` integers."""
        if not self._lows:
            return None
        low, high = self._lows[0], min(self._highs[0], self._lows[0] + limit - 1)
        self.remove(low, high)
        return low, high

    def clear(self) -> None:
        """Forget everything."""
        self._lows.clear()
        self._highs.clear()
