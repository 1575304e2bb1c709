"""What can be told of the readings of a slot, put together from parts that were read from different places.

Booleans count as 0 and 1; texts only for `count`, `first` and `last`. A part is what one source (raw rows, minutes,
hours) says of one slot. Parts of one slot never hold the same reading twice, so they add up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from operator import add
from typing import Final, NamedTuple

from pulse_gateway.domain.interval import Slots

Value = float | int | str | bool | None


class Aggregate(StrEnum):
    """What can be asked for."""

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    FIRST = "first"
    LAST = "last"
    MEDIAN = "median"
    DIFFERENCE = "difference"


class Fill(StrEnum):
    """What stands for a slot without readings: null, the value before it, one on the line between its neighbours; or
    the slot is left out."""

    NULL = "null"
    PREVIOUS = "previous"
    LINEAR = "linear"
    NONE = "none"


class Kind(StrEnum):
    """What the values of a metric are, by the newest one."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


OF_TEXT: Final = frozenset({Aggregate.COUNT, Aggregate.FIRST, Aggregate.LAST})
NOT_FROM_PARTS: Final = frozenset({Aggregate.MEDIAN})
"""What cannot be put together from parts: it needs every reading."""
ENDS: Final = frozenset({Aggregate.FIRST, Aggregate.LAST, Aggregate.DIFFERENCE})
"""What needs to know the first and the last reading of a part."""


class Part(NamedTuple):
    """What one source says of one slot: number of readings, of values among them, and what the values are."""

    rows: int
    values: int
    total: float | None = None
    low: float | None = None
    high: float | None = None
    first_at: int | None = None
    first: Value = None
    last_at: int | None = None
    last: Value = None
    median: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the answer for one series is made."""

    aggregates: tuple[Aggregate, ...]
    fill: Fill
    kind: Kind


def join(one: Part, other: Part) -> Part:
    """Return what two parts of one slot say together. A median has no parts."""
    is_first = other.first_at is None or (one.first_at is not None and one.first_at <= other.first_at)
    is_last = other.last_at is None or (one.last_at is not None and one.last_at > other.last_at)
    return Part(
        one.rows + other.rows,
        one.values + other.values,
        _or(one.total, other.total, add),
        _or(one.low, other.low, min),
        _or(one.high, other.high, max),
        one.first_at if is_first else other.first_at,
        one.first if is_first else other.first,
        one.last_at if is_last else other.last_at,
        one.last if is_last else other.last,
        one.median if other.median is None else other.median,
    )


def join_by_slot(slots: Slots, parts: Iterable[tuple[int, Part]]) -> dict[int, Part]:
    """Return the whole of each slot that has readings, by its number; parts are told with a moment in their slot."""
    found: dict[int, Part] = {}
    for at_us, part in parts:
        number = slots.index(at_us)
        before = found.get(number)
        found[number] = part if before is None else join(before, part)
    return found


def tell(slots: Slots, found: dict[int, Part], wanted: Wanted) -> list[list[Value]]:
    """Return a row for each slot: its start in milliseconds, then what was asked for, in that order.

    A difference is what the last value of a slot is above the last value before the slot; in the first slot with
    readings, above the slot's own first value. Those of all slots add up to that of the whole.
    """
    rows: list[list[Value]] = []
    before: float | None = None
    is_sparse = wanted.fill is Fill.NONE
    for number, start in enumerate(slots.starts):
        part = found.get(number)
        if part is None:
            if not is_sparse:
                rows.append([start // 1000, *(_empty(aggregate) for aggregate in wanted.aggregates)])
            continue
        rows.append([start // 1000, *(_of(part, aggregate, before, wanted.kind) for aggregate in wanted.aggregates)])
        if isinstance(part.last, int | float):
            before = float(part.last)
    _fill(rows, wanted)
    return rows


def _of(part: Part, aggregate: Aggregate, before: float | None, kind: Kind) -> Value:  # noqa: PLR0911 -- one for each
    match aggregate:
        case Aggregate.COUNT:
            return part.rows
        case Aggregate.AVG:
            return None if part.total is None else part.total / part.values
        case Aggregate.SUM:
            return part.total
        case Aggregate.MIN:
            return part.low
        case Aggregate.MAX:
            return part.high
        case Aggregate.MEDIAN:
            return part.median
        case Aggregate.FIRST:
            return _typed(part.first, kind)
        case Aggregate.LAST:
            return _typed(part.last, kind)
        case Aggregate.DIFFERENCE:
            since = part.first if before is None else before
            if isinstance(part.last, int | float) and isinstance(since, int | float):
                return part.last - since
            return None


def typed_number(value: float, kind: Kind) -> Value:
    """Return a number as a value of its metric: a boolean was counted as 0 or 1."""
    return value >= 0.5 if kind is Kind.BOOLEAN else value


def _typed(value: Value, kind: Kind) -> Value:
    return typed_number(value, kind) if isinstance(value, float | int) else value


def _empty(aggregate: Aggregate) -> Value:
    return 0 if aggregate is Aggregate.COUNT else None


def _fill(rows: list[list[Value]], wanted: Wanted) -> None:
    if wanted.fill not in {Fill.PREVIOUS, Fill.LINEAR}:
        return
    for column, aggregate in enumerate(wanted.aggregates, start=1):
        if aggregate is Aggregate.COUNT:
            continue
        known = [number for number, row in enumerate(rows) if row[column] is not None]
        if wanted.fill is Fill.PREVIOUS:
            _repeat(rows, column, known)
        else:
            _interpolate(rows, column, known)


def _repeat(rows: list[list[Value]], column: int, known: Sequence[int]) -> None:
    for number, following in pairwise([*known, len(rows)]):
        for empty in range(number + 1, following):
            rows[empty][column] = rows[number][column]


def _interpolate(rows: list[list[Value]], column: int, known: Sequence[int]) -> None:
    for left, right in pairwise(known):
        (t0, low), (t1, high) = ((_number(rows[n][0]), _number(rows[n][column])) for n in (left, right))
        for empty in range(left + 1, right):
            share = (_number(rows[empty][0]) - t0) / (t1 - t0)
            rows[empty][column] = low + (high - low) * share


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _or(one: float | None, other: float | None, both: Callable[[float, float], float]) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return both(one, other)


def needs_every_reading(aggregates: Collection[Aggregate]) -> bool:
    """Tell whether roll-ups cannot answer this."""
    return not NOT_FROM_PARTS.isdisjoint(aggregates)
