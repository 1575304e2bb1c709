"""Where pages end and go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import ENTITY_ORDER, MAX_PAGE_BYTES, MAX_PAGE_ROWS
from pulse_sync.domain.page import cut_page, row_on_page
from pulse_sync.domain.page_position import PagePosition, read_position
from pulse_sync.domain.rows import DueRow, LogRow

numbers = st.integers(0, 2**60)


def due(row_id: str, fields: dict[str, Any], *, is_member: bool = True) -> DueRow:
    row = LogRow("config", row_id, 7, make_stamp(5), "someone", "web", fields)
    return DueRow(row, is_member, len(json.dumps(fields)))


@given(numbers, numbers, numbers, st.booleans(), st.sampled_from(ENTITY_ORDER), st.text(max_size=200))
def test_a_position_survives_its_text(
    after: int, until: int, sent: int, renews: bool, entity: str, row_id: str
) -> None:
    position = PagePosition(after, until, sent, renews, entity, row_id)
    assert read_position(position.token()) == position


@given(st.text(max_size=60))
def test_what_nobody_wrote_is_no_position_or_a_harmless_one(text: str) -> None:
    position = read_position(text)
    assert position is None or position.entity in ENTITY_ORDER


@pytest.mark.parametrize("text", ["", "1.2.3.4.5", "1.2.3.0.4.x", "-1.0.0.0.0.x", "1.1.1.1.²."])
def test_broken_positions_are_none(text: str) -> None:
    assert read_position(text) is None


def test_a_page_is_bounded_in_rows_and_bytes_and_holds_at_least_one_row() -> None:
    assert len(cut_page([due(str(n), {}) for n in range(MAX_PAGE_ROWS + 1)])) == MAX_PAGE_ROWS
    large = {"value": "x" * 50_000}
    assert len(cut_page([due(str(n), large) for n in range(9)])) == 3
    assert len(cut_page([due("0", {"value": "x" * MAX_PAGE_BYTES}), due("1", {})])) == 1


def test_a_row_that_left_the_scope_says_nothing_of_itself() -> None:
    told = row_on_page(due("all//x", {"value": 1}, is_member=False))
    assert told == {
        "entity": "config",
        "id": "all//x",
        "version": 0,
        "updated_at": "0000000000000-0000",
        "deleted": True,
    }
