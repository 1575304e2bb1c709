"""How full the volume is, and for how long there is room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pulse_ingest.domain.storage_use import StorageDay, StorageState, outlook

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
GB = 10**9


def days(*used: float | None, capacity: int | None = 100 * GB) -> list[StorageDay]:
    made = []
    for number, share in enumerate(used):
        at, count = START + timedelta(days=number), None if share is None else int(share * GB)
        made.append(StorageDay(at.date(), at, (count or 0) // 2, 0, 0, 1, count, capacity))
    return made


def test_nothing_is_known_before_the_first_measurement() -> None:
    assert outlook([]) is None


@pytest.mark.parametrize(
    ("used", "state"),
    [
        ((10, 10, 10), StorageState.OK),
        ((10, 11, 12), StorageState.OK),
        ((10, 14, 18), StorageState.WARNING),  # 82 GB left at 4 a day: 20 days
        ((79.9,), StorageState.OK),
        ((80,), StorageState.WARNING),
        ((94.9, 90, 85), StorageState.WARNING),
        ((95,), StorageState.CRITICAL),
        ((100, 100), StorageState.CRITICAL),
    ],
)
def test_state_says_how_worried_to_be(used: tuple[float, ...], state: StorageState) -> None:
    found = outlook(days(*used))
    assert found is not None
    assert found.state is state


def test_days_left_are_what_is_free_by_what_comes_a_day() -> None:
    found = outlook(days(10, 12, 14, 16))
    assert found is not None
    assert found.days_left == pytest.approx(42.0)
    assert found.growth is not None
    assert found.growth.raw == pytest.approx(GB)
    assert found.growth.used == pytest.approx(2 * GB)


@pytest.mark.parametrize("used", [(10, 10), (20, 10), (10,)])
def test_there_are_no_days_left_to_tell_when_nothing_grows(used: tuple[float, ...]) -> None:
    found = outlook(days(*used))
    assert found is not None
    assert found.days_left is None


def test_only_the_last_thirty_days_count() -> None:
    long_ago = days(*([90] * 5 + [10 + number for number in range(30)]))
    found = outlook(long_ago)
    assert found is not None
    assert found.growth is not None
    assert found.growth.used == pytest.approx(GB)


@pytest.mark.parametrize("measured", [days(None, None), days(10, capacity=None)])
def test_without_a_size_of_the_volume_nobody_knows(measured: list[StorageDay]) -> None:
    found = outlook(measured)
    assert found is not None
    assert (found.state, found.share, found.days_left) == (StorageState.UNKNOWN, None, None)
