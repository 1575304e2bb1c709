"""What a spreadsheet makes of a cell is what was meant."""

from datetime import UTC, datetime

import pytest

from pulse_chassis.csv_text import csv_cell, csv_lines


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_is_a_formula(start: str) -> None:
    assert csv_cell(f"{start}cmd|' /C calc'!A0").startswith(f"'{start}")


def test_values_are_what_they_are() -> None:
    given = ("a", -5, -1.5, True, None, datetime(2026, 11, 21, 6, tzinfo=UTC), 'x"y,z\nü')
    assert [csv_cell(value) for value in given] == [
        "a", -5, -1.5, "true", "", "2026-11-21T06:00:00+00:00", 'x"y,z\nü',
    ]  # fmt: skip
    assert csv_lines([given, ("=1",)]) == 'a,-5,-1.5,true,,2026-11-21T06:00:00+00:00,"x""y,z\nü"\r\n\'=1\r\n'
