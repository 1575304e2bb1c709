"""The outbox as its users see it: durability, order, quota, failing disks, bounds."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from pulse_agent.domain.quota import Fullness, Overflow, Quota
from pulse_agent.domain.reading import InvalidReadingError, Reading, RefusedReading, StoredReading
from pulse_agent.outbox.outbox import Outbox, ReadingRefusedError
from pulse_agent.outbox.rows import LossRecord, Rejection
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_chassis.clock import ManualClock

NOW = 1_767_225_600_000_000  # ManualClock's start


def reading(number: int, channel: str = "default") -> Reading:
    return Reading(NOW + number, {"n": number}, channel)


async def test_a_put_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    copied.mkdir()
    async with Outbox(tmp_path / "outbox.db") as outbox:
        stored = await outbox.put(reading(1))
        for file in tmp_path.glob("outbox.db*"):
            shutil.copy(file, copied / file.name)
    async with Outbox(copied / "outbox.db") as other:
        assert await other.recorded_at(stored.sequence) == NOW + 1


async def test_sequences_are_never_reused_after_the_outbox_emptied(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "outbox.db") as outbox:
        await outbox.put_many([reading(n) for n in range(5)])
        outbox.acknowledge([(1, 5)])
    async with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.stats.rows == 0
        assert (await outbox.put(reading(6))).sequence == 6


async def test_listeners_hear_of_rows_in_order_also_of_a_cancelled_put(tmp_path: Path) -> None:
    heard: list[int] = []
    async with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.on_stored(lambda stored: heard.extend(r.sequence for r in stored))
        tasks = [asyncio.create_task(outbox.put(reading(n))) for n in range(50)]
        await asyncio.sleep(0)
        tasks[10].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await outbox.put(reading(99))
    assert heard == list(range(1, 52))


async def test_a_large_ack_does_not_keep_a_put_waiting(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "outbox.db") as outbox:
        for start in range(0, 30_000, 5000):
            await outbox.put_many([reading(start + n) for n in range(5000)])
        outbox.acknowledge([(1, 30_000)])
        await outbox.put(reading(1))
        assert outbox.stats.rows > 20_000, "the ack is worked off in parts, the put went between them"
        deadline = time.monotonic() + 20
        while outbox.stats.rows > 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"bad key": 1},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 2**63},
        {"a": "x" * 257},
        {"a": "nul\x00"},
        {"a": "\ud800"},
        {"a": None},
        {"a": [1]},
        {f"m{n}": n for n in range(65)},
    ],
)
async def test_a_reading_that_no_server_would_take_is_refused_at_once(
    metrics: dict[str, object], tmp_path: Path
) -> None:
    async with Outbox(tmp_path / "outbox.db") as outbox:
        with pytest.raises(InvalidReadingError):
            await outbox.put(Reading(NOW, metrics))  # type: ignore[arg-type]
        assert outbox.stats.next_sequence == 1


async def test_reject_new_refuses_and_declares_it(tmp_path: Path) -> None:
    quota = Quota(max_bytes=470, free_floor_bytes=0, overflow=Overflow.REJECT_NEW)
    async with Outbox(tmp_path / "outbox.db", quota=quota) as outbox:
        results = await outbox.put_many([reading(n) for n in range(15)])
        stored = [r.sequence for r in results if isinstance(r, StoredReading)]
        assert stored == list(range(1, len(stored) + 1))
        with pytest.raises(ReadingRefusedError) as refused:
            await outbox.put(reading(16))
        assert refused.value.refused == RefusedReading(16, "quota")
        assert await outbox.read_losses(10) == [LossRecord(len(stored) + 1, 16, "quota")]
        outbox.acknowledge([(1, 12)])
        assert (await outbox.put(reading(17))).sequence == 17
        assert await outbox.read_losses(10) == [LossRecord(13, 16, "quota")]


async def test_drop_oldest_keeps_the_newest_and_declares_the_rest(tmp_path: Path) -> None:
    quota = Quota(max_bytes=2000, free_floor_bytes=0, overflow=Overflow.DROP_OLDEST)
    async with Outbox(tmp_path / "outbox.db", quota=quota) as outbox:
        for number in range(200):
            await outbox.put(reading(number))
        oldest = outbox.stats.next_sequence - outbox.stats.rows
        assert await outbox.read_losses(10) == [LossRecord(1, oldest - 1, "quota")]
        assert outbox.stats.fullness is Fullness.CRITICAL
        assert outbox.stats.used_bytes <= 2000


async def test_thin_keeps_one_of_ten_of_the_oldest(tmp_path: Path) -> None:
    quota = Quota(max_bytes=5000, free_floor_bytes=0, overflow=Overflow.THIN)
    async with Outbox(tmp_path / "outbox.db", quota=quota) as outbox:
        for number in range(300):
            await outbox.put(reading(number))
        run = await outbox.read_run((1, 10), 10, 1000)
        assert run is not None
        assert (run.first, run.last) == (1, 1)
        losses = await outbox.read_losses(1000)
        assert losses[0] == LossRecord(2, 10, "quota")
        lost = sum(loss.high - loss.low + 1 for loss in losses)
        assert lost + outbox.stats.rows == 300


async def test_a_channel_never_makes_room_at_anothers_cost(tmp_path: Path) -> None:
    policies = {"alarm": Overflow.REJECT_NEW, "noise": Overflow.DROP_OLDEST}
    quota = Quota(max_bytes=2000, free_floor_bytes=0, overflow_by_channel=policies)
    async with Outbox(tmp_path / "outbox.db", quota=quota) as outbox:
        for number in range(10):
            await outbox.put(reading(number, "alarm"))
        for number in range(200):
            await outbox.put(reading(number, "noise"))
        run = await outbox.read_run((1, 10), 10, 10_000)
        assert run is not None
        assert run.count == 10


async def test_old_readings_expire_but_not_those_of_a_clock_that_was_never_set(tmp_path: Path) -> None:
    clock = ManualClock()
    quota = Quota(max_age=timedelta(hours=1), free_floor_bytes=0)
    async with Outbox(tmp_path / "outbox.db", quota=quota, clock=clock) as outbox:
        await outbox.put(Reading(1_000_000, {"n": 1}))
        await outbox.put(reading(2))
        clock.advance(3601)
        await outbox.put(Reading(NOW + 3_601_000_000, {"n": 3}))
        assert await outbox.read_losses(10) == [LossRecord(2, 2, "age")]
        assert outbox.stats.rows == 2


async def test_below_the_disks_floor_the_outbox_does_not_grow(tmp_path: Path) -> None:
    free = [10**9]
    quota = Quota(free_floor_bytes=10**6, ballast_bytes=100_000)
    async with Outbox(tmp_path / "outbox.db", quota=quota, free_bytes=lambda: free[0]) as outbox:
        await outbox.put_many([reading(n) for n in range(10)])
        assert (tmp_path / "outbox.db.ballast").stat().st_size >= 100_000
        free[0] = 10
        await outbox.put_many([reading(n) for n in range(5)])
        assert outbox.stats.rows == 10
        assert await outbox.read_losses(10) == [LossRecord(1, 5, "disk")]


async def test_rejected_rows_are_quarantined_even_if_the_same_ack_covers_them(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "outbox.db") as outbox:
        await outbox.put_many([reading(n) for n in range(3)])
        outbox.reject([Rejection(2, "bad_value", "no")])
        outbox.acknowledge([(1, 3)])
        await outbox.recorded_at(1)
        assert (outbox.stats.rows, outbox.stats.quarantined) == (0, 1)


async def test_a_closed_outbox_says_so(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    with pytest.raises(OutboxUnavailableError):
        await outbox.put(reading(1))
    async with outbox:
        await outbox.put(reading(1))
    with pytest.raises(OutboxUnavailableError):
        await outbox.put(reading(2))


async def test_putters_wait_their_turn_instead_of_filling_the_memory(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "outbox.db") as outbox:
        tasks = [asyncio.create_task(outbox.put_many([reading(n) for n in range(5000)])) for _ in range(8)]
        most = 0
        while not all(task.done() for task in tasks):
            most = max(most, outbox._waiting)
            await asyncio.sleep(0)
        assert most <= 25_000
        assert outbox.stats.rows == 40_000


async def test_puts_go_on_while_another_process_reads(tmp_path: Path) -> None:
    from pulse_agent.outbox.inspection import summarise

    path = tmp_path / "outbox.db"
    async with Outbox(path) as outbox:
        await outbox.put(reading(1))
        started = time.monotonic()
        summary = await asyncio.to_thread(summarise, path)
        await outbox.put(reading(2))
        assert summary.rows == 1
        assert time.monotonic() - started < 5
