"""Durable ingest: the same C publisher as the raw limit, into the real stack, until the last reading is committed.

Every message is a one-row run with three metrics from a client that said hello, so each is validated, checked against the
ledger, stored, announced on the live stream and acknowledged to its client. The clock stops when the database's own ledger
counts every reading, not when a queue took it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass

import asyncpg

from pulse_bench.errors import BenchError
from pulse_bench.native import Account, NativePair, Published
from pulse_bench.stack import Stack, register, say_hello, sign_in

_COUNT = "SELECT coalesce(sum(received), 0)::bigint FROM telemetry.completeness WHERE client_id LIKE $1"
_CHECK = """
    SELECT (SELECT count(*) FROM telemetry.telemetry_data WHERE client_id LIKE $1),
           (SELECT coalesce(sum(missing), 0)::bigint FROM telemetry.completeness WHERE client_id LIKE $1)
"""
METRICS_A_MESSAGE = 3


@dataclass(frozen=True, slots=True)
class IngestFigure:
    """One run. Rates are messages a second; `puback_per_s` is what the broker took, `durable_per_s` what was committed."""

    messages: int
    durable_per_s: float
    puback_per_s: float
    rows_stored: int
    missing: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the fields for a JSON report."""
        return asdict(self)


async def measure_durable_ingest(
    stack: Stack, pair: NativePair, *, clients: int, messages: int, run: int
) -> IngestFigure:
    """Publish `clients` × `messages` and wait until all of them are committed.

    Raises:
        BenchError: a reading was missing or the count stood still for 60 s.
    """
    prefix = f"bench-{run}-"
    async with sign_in(stack) as session:
        keys = await register(session, [f"{prefix}{n:03d}" for n in range(clients)])
    accounts: list[Account] = []
    for client_id, key in keys.items():
        accounts.append(await say_hello(stack, client_id, key))
    database = await asyncpg.connect(stack.database_url)
    try:
        started = time.perf_counter()
        publishing = asyncio.create_task(pair.publish(stack.mqtt_host, stack.mqtt_port, accounts, messages=messages))
        try:
            seconds = await _until_counted(database, f"{prefix}%", clients * messages, started)
            published: Published = await publishing
        finally:
            publishing.cancel()
        rows, missing = (await database.fetch(_CHECK, f"{prefix}%"))[0]
    finally:
        await database.close()
    if rows != clients * messages * METRICS_A_MESSAGE or missing:
        raise BenchError(
            f"{clients * messages * METRICS_A_MESSAGE} rows were due, {rows} are stored, {missing} missing"
        )
    total = clients * messages
    return IngestFigure(total, total / seconds, total / published.seconds, rows, missing)


async def _until_counted(database: asyncpg.Connection, pattern: str, wanted: int, started: float) -> float:
    counted, progress_at = 0, started
    while counted < wanted:
        await asyncio.sleep(0.1)
        now = int(await database.fetchval(_COUNT, pattern))
        if now > counted:
            counted, progress_at = now, time.perf_counter()
        elif time.perf_counter() - progress_at > 60:
            raise BenchError(f"{counted} of {wanted} readings were committed, and no more for 60 s")
    return time.perf_counter() - started
