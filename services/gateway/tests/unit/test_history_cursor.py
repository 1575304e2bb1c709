"""A cursor names a place in one question, and nothing else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_gateway.domain.history import BadCursorError, HistoryQuery, Place, read_cursor, write_cursor

QUERY = HistoryQuery(("dev-1",), ("a",), datetime(2026, 1, 1, tzinfo=UTC), None, "asc", 100)


@given(st.integers(-(2**61), 2**61), st.integers(0, 2**62), st.integers(0, 2**31 - 1))
def test_a_place_is_read_as_it_was_written(at: int, seq: int, series: int) -> None:
    place = Place(at, seq, series)
    assert read_cursor(QUERY, write_cursor(QUERY, place)) == place


@pytest.mark.parametrize(
    "other",
    [
        HistoryQuery(("dev-2",), ("a",), QUERY.start, None, "asc", 100),
        HistoryQuery(("dev-1",), ("b",), QUERY.start, None, "asc", 100),
        HistoryQuery(("dev-1",), None, QUERY.start, None, "asc", 100),
        HistoryQuery(("dev-1",), ("a",), None, None, "asc", 100),
        HistoryQuery(("dev-1",), ("a",), QUERY.start, None, "desc", 100),
    ],
)
def test_a_cursor_of_another_question_is_refused(other: HistoryQuery) -> None:
    with pytest.raises(BadCursorError):
        read_cursor(other, write_cursor(QUERY, Place(1, 1, 1)))


@given(st.text(max_size=100))
def test_anything_else_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(BadCursorError):
        read_cursor(QUERY, text)
