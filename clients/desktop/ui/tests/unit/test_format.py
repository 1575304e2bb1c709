"""Figures and times are written as the language does."""

from __future__ import annotations

import math

import pytest

from pulse_desktop.texts.format import Format
from pulse_desktop.texts.language import Language

ENGLISH, GERMAN = Format(Language.ENGLISH), Format(Language.GERMAN)


def test_numbers_have_the_separators_of_the_language() -> None:
    assert ENGLISH.number(1234567.891, 2) == "1,234,567.89"
    assert GERMAN.number(1234567.891, 2) == "1.234.567,89"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.01234, "0.012"),
        (3.14159, "3.14"),
        (123.456, "123.5"),
        (12345.6, "12,346"),
        (7, "7"),
        (True, "On"),
        ("ok", "ok"),
    ],
)
def test_a_reading_has_as_many_digits_as_say_something(value: float | bool | str, shown: str) -> None:
    assert ENGLISH.reading(value) == shown


def test_a_reading_that_is_no_number_is_a_dash() -> None:
    assert ENGLISH.reading(math.nan) == "—"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float, shown: str) -> None:
    assert ENGLISH.duration(seconds) == shown


def test_ages_are_said_in_one_unit_and_a_clocks_error_is_just_now() -> None:
    assert ENGLISH.ago(100, 3725) == "1 h ago"
    assert GERMAN.ago(100, 112) == "vor 12 s"
    assert ENGLISH.ago(105, 100) == "just now"


@pytest.mark.parametrize(("ratio", "shown"), [(0, "0%"), (0.663, "66%"), (0.9999, "99%"), (1, "100%")])
def test_what_is_not_quite_all_is_never_a_hundred_percent(ratio: float, shown: str) -> None:
    assert ENGLISH.percent(ratio) == shown


def test_amounts_of_bytes_have_the_largest_fitting_unit() -> None:
    assert [ENGLISH.bytes(value) for value in (0, 999, 1_000, 2_400_000, 1_073_741_824, 2**50)] == [
        "0 byte", "999 byte", "1.0 kB", "2.4 MB", "1.1 GB", "1.1 PB",
    ]  # fmt: skip


def test_a_moment_of_another_day_says_which() -> None:
    day = 86_400
    assert len(ENGLISH.moment(40 * day, 40 * day + 60)) == len("12:00:00")
    assert "1970" in GERMAN.moment(10 * day, 40 * day)
