"""Sets of sequences as sorted, disjoint, closed ranges: the algebra below the ledger.

Guaranteed: a `Ranges` is immutable and normal (ascending, never overlapping or adjacent), so two equal sets compare
equal. It never expands a range into its members: a client with ten billion readings costs one pair of integers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from pulse_contracts.acks import Range

_CANONICAL: Final = re.compile(r"([\[(])(-?\d*),(-?\d*)([\])])")


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of integers; build it with `of`, `parse` or the operators `|`, `&`, `-`."""

    spans: tuple[Range, ...] = ()

    EMPTY: ClassVar[Ranges]

    @classmethod
    def of(cls, *spans: Range) -> Ranges:
        """Return the set that these closed ranges cover, in any order, overlapping or not; none may be reversed."""
        return cls(_normal(spans))

    @classmethod
    def from_any(cls, spans: Iterable[Range]) -> Ranges:
        """Return the set that an iterable of closed ranges covers."""
        return cls(_normal(spans))

    @classmethod
    def parse(cls, multirange: str) -> Ranges:
        """Read PostgreSQL's text of an `int8multirange` with finite bounds: `{[1,6),[8,9)}`."""
        spans = []
        for opening, low, high, closing in _CANONICAL.findall(multirange):
            spans.append((int(low) + (opening == "("), int(high) - (closing == ")")))
        return cls(_normal(spans))

    def multirange(self) -> str:
        """Return the text that PostgreSQL reads as this `int8multirange`."""
        return "{" + ",".join(f"[{low},{high}]" for low, high in self.spans) + "}"

    @property
    def count(self) -> int:
        """How many integers the set holds."""
        return sum(high - low + 1 for low, high in self.spans)

    @property
    def highest(self) -> int | None:
        """The largest member."""
        return self.spans[-1][1] if self.spans else None

    def prefix_from_one(self) -> int:
        """Return the largest n with 1..n all in the set, 0 when 1 is not."""
        if not self.spans or self.spans[0][0] > 1:
            return 0
        return max(0, self.spans[0][1])

    def __contains__(self, number: int) -> bool:
        return any(low <= number <= high for low, high in self.spans)

    def __iter__(self) -> Iterator[Range]:
        return iter(self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges(_normal((*self.spans, *other.spans)))

    def __and__(self, other: Ranges) -> Ranges:
        found: list[Range] = []
        mine, theirs = iter(self.spans), iter(other.spans)
        a, b = next(mine, None), next(theirs, None)
        while a is not None and b is not None:
            low, high = max(a[0], b[0]), min(a[1], b[1])
            if low <= high:
                found.append((low, high))
            if a[1] < b[1]:
                a = next(mine, None)
            else:
                b = next(theirs, None)
        return Ranges(tuple(found))

    def __sub__(self, other: Ranges) -> Ranges:
        left: list[Range] = []
        holes = list(other.spans)
        at = 0
        for low, high in self.spans:
            start = low
            while at < len(holes) and holes[at][1] < start:
                at += 1
            look = at
            while look < len(holes) and holes[look][0] <= high:
                if start < holes[look][0]:
                    left.append((start, holes[look][0] - 1))
                start = holes[look][1] + 1
                look += 1
            if start <= high:
                left.append((start, high))
        return Ranges(tuple(left))


Ranges.EMPTY = Ranges()


def _normal(spans: Iterable[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for low, high in sorted(spans):
        if low > high:
            message = f"a range is reversed: {low}..{high}"
            raise ValueError(message)
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)
