"""How many readings a second the agent's outbox takes, each on the disk before its `put` returns.

Three ways by turns on the same disk: groups (`put_many`), single puts of many tasks, which the writer commits in groups by
itself, and beside them a bare SQLite table that is given the same groups with the same durability and nothing else: no
sequence, checksum, quota, or other thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pulse_agent.domain.reading import Reading, encode_reading
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.settings import OUTBOX_FILE

GROUP: Final = 100
PUTTERS: Final = 200
_GROUPS_AT_ONCE: Final = 4
_BARE: Final = """
pragma journal_mode = wal;
pragma synchronous = full;
create table reading (sequence integer primary key autoincrement, recorded_at integer, metrics text) strict;
"""


@dataclass(frozen=True, slots=True)
class OutboxFigure:
    """One run, readings a second."""

    grouped_per_s: float
    single_per_s: float
    bare_per_s: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self)


async def measure_outbox(*, seconds: float, runs: int) -> list[OutboxFigure]:
    """Fill a new outbox each way for so many seconds, by turns."""
    figures = []
    for _ in range(runs):
        grouped = await _fill_outbox(seconds, _GROUPS_AT_ONCE, GROUP)
        single = await _fill_outbox(seconds, PUTTERS, 1)
        bare = await asyncio.to_thread(_fill_bare, seconds)
        figures.append(OutboxFigure(grouped, single, bare))
    return figures


def make_reading(number: int, recorded_at_us: int) -> Reading:
    """Return a reading of three metrics, as a small machine has them."""
    metrics = {"temperature": 20 + number % 977 / 100, "pressure": 101 + number % 31 / 10, "is_active": number % 2 == 0}
    return Reading(recorded_at_us, metrics)


async def _fill_outbox(seconds: float, tasks: int, group: int) -> float:
    with tempfile.TemporaryDirectory(prefix="pulse-bench-outbox-") as folder:
        async with Outbox(Path(folder) / OUTBOX_FILE) as outbox:

            async def put(number: int) -> int:
                now = time.time_ns() // 1000
                return len(await outbox.put_many([make_reading(number + n, now + n) for n in range(group)]))

            return await _rate(put, tasks, seconds)


async def _rate(put: Callable[[int], Awaitable[int]], tasks: int, seconds: float) -> float:
    began = time.perf_counter()

    async def one(first: int) -> int:
        stored = await put(first)
        while time.perf_counter() - began < seconds:
            stored += await put(first + stored)
        return stored

    total = sum(await asyncio.gather(*(one(n) for n in range(tasks))))
    return total / (time.perf_counter() - began)


def _fill_bare(seconds: float) -> float:
    with tempfile.TemporaryDirectory(prefix="pulse-bench-outbox-") as folder:
        connection = sqlite3.connect(Path(folder) / "bare.db")
        connection.executescript(_BARE)
        began, stored = time.perf_counter(), 0
        while not stored or time.perf_counter() - began < seconds:
            now = time.time_ns() // 1000
            encoded = [encode_reading(make_reading(stored + n, now + n)) for n in range(GROUP)]
            with connection:
                connection.executemany(
                    "insert into reading (recorded_at, metrics) values (?, ?)",
                    [(reading.recorded_at_us, reading.metrics_json) for reading in encoded],
                )
            stored += GROUP
        took = time.perf_counter() - began
        connection.close()
        return stored / took
