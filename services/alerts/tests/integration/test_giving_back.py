"""A worker that ends gives its devices back, in whatever moment it is told to: others need not wait for its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pulse_alerts import app
from pulse_alerts.storage.evaluation_store import PostgresEvaluationStore
from pulse_alerts.use_cases.evaluate_stream import EvaluateStream
from pulse_alerts.use_cases.evaluation import Tools
from pulse_alerts.use_cases.ports import Announcement, LostLeaseError, TelemetryNews
from pulse_chassis.errors import UnavailableError


class StopsWhileSharesMove(PostgresEvaluationStore):
    """Is told to stop in the moment in which it learns that there is a second worker."""

    stop: asyncio.Event

    async def fair_share(self, worker: str, lease_seconds: float) -> tuple[int, int]:
        fair, free = await super().fair_share(worker, lease_seconds)
        self.stop.set()
        return fair // 2, free


class StopsWhenItsLeaseIsLost(PostgresEvaluationStore):
    """Is told to stop in the moment in which it looks as if one of its devices were another's."""

    stop: asyncio.Event

    async def commit(self, *_: Any) -> int:
        self.stop.set()
        raise LostLeaseError


class StopsWhileItBegins(PostgresEvaluationStore):
    """Has its share, and is told to stop before the database, which goes away, has said how far it got."""

    stop: asyncio.Event

    async def states(self, partitions: Sequence[int]) -> dict[str, Mapping[str, Any]]:
        self.stop.set()
        message = "the database is away"
        raise UnavailableError(message)


class BreaksOff:
    """A stream that is away after the first look, for good; when it is asked again, the worker is told to stop."""

    def __init__(self, news: TelemetryNews, stop: asyncio.Event) -> None:
        self._news = news
        self._stop = stop
        self._is_away = False

    async def epoch(self) -> str:
        if self._is_away:
            self._stop.set()
            message = "the stream is away"
            raise UnavailableError(message)
        return await self._news.epoch()

    async def end(self) -> str:
        return await self._news.end()

    async def is_there(self, position: str) -> bool:
        return await self._news.is_there(position)

    async def read(self, after: str, count: int, block_ms: int | None) -> list[Announcement]:
        self._is_away = True
        return await self._news.read(after, count, block_ms)


async def owners(world: Any) -> list[str]:
    found = await world.db.fetch("select owner from alerts.ownership where owner is not null and lease_until > now()")
    return [row["owner"] for row in found]


async def run_to_its_end(world: Any, tools: Tools, parts: app.Parts, stop: asyncio.Event) -> None:
    patience = replace(parts.settings.patience, flush_seconds=0)  # each look commits
    async with asyncio.timeout(60):
        await EvaluateStream("ends", tools, patience).run(stop)
    assert await owners(world) == []
    assert await world.db.fetchval("select count(*) from alerts.worker") == 0


@pytest.mark.parametrize("moment", [StopsWhileSharesMove, StopsWhenItsLeaseIsLost, StopsWhileItBegins])
async def test_a_worker_that_ends_in_a_bad_moment_gives_its_devices_back(world: Any, moment: Any) -> None:
    async with app.open_parts(world.settings()) as parts:
        store = moment(parts.database)
        store.stop = asyncio.Event()
        await run_to_its_end(world, replace(parts.tools, store=store), parts, store.stop)


async def test_a_worker_that_ends_while_the_stream_is_away_gives_its_devices_back(world: Any) -> None:
    async with app.open_parts(world.settings()) as parts:
        stop = asyncio.Event()
        await run_to_its_end(world, replace(parts.tools, news=BreaksOff(parts.tools.news, stop)), parts, stop)


async def test_what_a_worker_gives_back_another_takes_and_what_is_anothers_stays_so(world: Any) -> None:
    async with app.open_parts(world.settings()) as parts:
        store = parts.tools.store
        assert len(await store.claim("one", 60)) == 64
        assert await store.claim("two", 60) == [], "everything is held"
        assert len(await store.claim("one", 60)) == 32, "its fair share"
        assert len(await store.claim("two", 60)) == 32
        await store.release("one")
        assert sorted(await owners(world)) == ["two"] * 32
        assert len(await store.claim("two", 60)) == 64
