import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pulse_chassis.clock import ManualClock, SystemClock


async def test_sleep_wakes_when_time_passed_its_end_and_not_before() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    assert clock.sleepers == 1
    clock.advance(9.9)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(0.1)
    await task
    assert clock.sleepers == 0


async def test_sleepers_wake_in_the_order_of_their_ends() -> None:
    clock = ManualClock()
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    clock.advance(5)
    await asyncio.gather(*tasks)
    assert woken == [1, 2, 3]


async def test_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0
    clock.advance(2)


def test_both_times_move_together_and_only_the_wall_can_jump() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(1.5)
    clock.step_wall(-60)
    assert clock.monotonic() == 1.5
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=-58.5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_a_start_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 -- the very mistake


async def test_the_machines_clock_is_aware_and_moves() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().utcoffset() == timedelta(0)
