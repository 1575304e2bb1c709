"""Damage on the disk: set aside, salvaged, said; never silent, never deleted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pulse_agent.app import Agent
from pulse_agent.domain.reading import Reading
from pulse_agent.migrations import NewerDatabaseError
from pulse_agent.outbox.database import open_rows
from pulse_agent.outbox.inspection import export_quarantine, summarise
from pulse_agent.outbox.lock import OutboxInUseError
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.settings import AgentSettings
from pulse_contracts.ids import ClientId


def reading(number: int) -> Reading:
    return Reading(1_800_000_000_000_000 + number, {"n": number, "text": "x" * 100})


async def fill(path: Path, count: int) -> None:
    async with Outbox(path) as outbox:
        await outbox.put_many([reading(n) for n in range(count)])
        await outbox.adopt_epoch(3)


def truncated(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def zeroed_in_the_middle(content: bytes) -> bytes:
    middle = len(content) // 2 // 4096 * 4096
    return content[:middle] + bytes(8192) + content[middle + 8192 :]


def no_database(content: bytes) -> bytes:
    return b"this is no database" * (len(content) // 19)


@pytest.mark.parametrize("damage", [truncated, zeroed_in_the_middle, no_database, lambda _: b""])
async def test_a_damaged_outbox_is_set_aside_and_what_is_readable_is_saved(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    await fill(path, 2000)
    path.write_bytes(damage(path.read_bytes()))
    settings = AgentSettings(path, ClientId("d"))
    async with Agent(settings) as agent:
        recovery = agent.outbox.recovery
        assert recovery is not None
        assert (tmp_path / recovery.set_aside_as).exists()
        assert ".damaged-" in recovery.set_aside_as
        assert agent.outbox.stats.epoch == 0, "a new outbox asks for a new epoch"
        stored = await agent.put(reading(9999))
        assert agent.outbox.stats.rows == recovery.salvaged + 1
        assert recovery.salvaged < 2000
        if damage in (truncated, zeroed_in_the_middle):
            assert recovery.salvaged > 200
            assert stored.sequence > 200
            run = await agent.outbox.read_run((1, 5000), 500, 128 * 1024)
            assert run is not None
            assert run.first == 1
    kept = summarise(path).recovery
    assert kept is not None
    assert kept["set_aside_as"] == recovery.set_aside_as
    async with Agent(settings) as again:
        assert again.outbox.recovery is None, "told once"


async def test_a_row_with_a_wrong_checksum_goes_to_the_quarantine_and_is_declared_lost(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await fill(path, 10)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE telemetry_buffer SET metrics = replace(metrics, '4', '5') WHERE sequence = 5")
        connection.execute("UPDATE telemetry_buffer SET metrics = CAST(x'7b22ff' AS TEXT) WHERE sequence = 7")
    connection.close()
    async with Outbox(path) as outbox:
        first = await outbox.read_run((1, 10), 500, 128 * 1024)
        assert first is not None
        assert (first.first, first.last) == (1, 4)
        second = await outbox.read_run((5, 10), 500, 128 * 1024)
        third = await outbox.read_run((7, 10), 500, 128 * 1024)
        assert second is not None
        assert third is not None
        assert (second.first, second.last, third.first, third.last) == (6, 6, 8, 10)
        assert [(loss.low, loss.high, loss.reason) for loss in await outbox.read_losses(10)] == [
            (5, 5, "corrupt"),
            (7, 7, "corrupt"),
        ]
        assert outbox.stats.quarantined == 2
    assert export_quarantine(path, tmp_path / "q.jsonl", clear=True) == 2
    assert '"checksum"' in (tmp_path / "q.jsonl").read_text()
    assert summarise(path).quarantined == 0


async def test_damage_that_appears_while_running_is_healed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with Outbox(path) as outbox:
        await outbox.put_many([reading(n) for n in range(500)])
        with path.open("r+b") as file:
            file.write(b"\xff" * 4096)
        for name in ("outbox.db-wal", "outbox.db-shm"):
            with (tmp_path / name).open("r+b") as file:
                file.write(b"\xff" * 4096)
        await outbox.put(reading(1000))
        assert outbox.stats.rows >= 1
    rows, _ = open_rows(path)
    assert rows.rows >= 1
    rows.close()


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await fill(path, 3)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerDatabaseError):
        await Outbox(path).open()
    assert list(tmp_path.glob("*damaged*")) == []


async def test_a_second_agent_on_the_same_outbox_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with Outbox(path):
        with pytest.raises(OutboxInUseError):
            await Outbox(path).open()
    async with Outbox(path):
        await asyncio.sleep(0)
