"""Empty slots are filled as asked for, and differences add up."""

from datetime import UTC

import pytest

from pulse_gateway.domain.aggregates import Aggregate, Fill, Kind, Part, Wanted, join_by_slot, tell
from pulse_gateway.domain.interval import MINUTE_US, Interval, cut

SLOTS = cut(0, 6 * MINUTE_US, Interval.parse("1m"), UTC)


def numbers(*values: float | None) -> list[tuple[int, Part]]:
    """A reading of each value in a minute of its own, none for None."""
    return [
        (n * MINUTE_US, Part(1, 1, v, v, v, n * MINUTE_US, v, n * MINUTE_US, v, v))
        for n, v in enumerate(values)
        if v is not None
    ]


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        (Fill.NULL, [None, 1.0, None, None, 4.0, None]),
        (Fill.PREVIOUS, [None, 1.0, 1.0, 1.0, 4.0, 4.0]),
        (Fill.LINEAR, [None, 1.0, 2.0, 3.0, 4.0, None]),
        (Fill.NONE, [1.0, 4.0]),
    ],
)
def test_empty_slots_are_filled_as_asked_for(fill: Fill, expected: list[float | None]) -> None:
    found = join_by_slot(SLOTS, numbers(None, 1.0, None, None, 4.0, None))
    rows = tell(SLOTS, found, Wanted((Aggregate.AVG, Aggregate.COUNT), fill, Kind.NUMBER))
    assert [row[1] for row in rows] == expected
    assert sum(row[2] for row in rows) == 2


def test_differences_of_all_slots_add_up_to_the_whole() -> None:
    parts = [(0, Part(2, 2, first_at=1, first=3.0, last_at=2, last=7.0)), *numbers(None, None, 10.0, 4.0, None, 20.0)]
    rows = tell(SLOTS, join_by_slot(SLOTS, parts), Wanted((Aggregate.DIFFERENCE,), Fill.NONE, Kind.NUMBER))
    assert [row[1] for row in rows] == [4.0, 3.0, -6.0, 16.0]
    assert sum(row[1] for row in rows) == 20.0 - 3.0


def test_a_boolean_is_told_as_one_and_counted_as_a_number() -> None:
    rows = tell(SLOTS, join_by_slot(SLOTS, numbers(1.0, 0.0)), Wanted(
        (Aggregate.LAST, Aggregate.AVG), Fill.NONE, Kind.BOOLEAN))  # fmt: skip
    assert [row[1:] for row in rows] == [[True, 1.0], [False, 0.0]]
