"""Durable ingest: the same publisher as the raw limit, into the real stack, until the last reading is committed.

Every message is a one-row run with three metrics from a client that said hello, so each is validated, checked against the
ledger, stored, announced on the live stream and acknowledged to its client. The clock stops when the database's own ledger
counts every reading, not when a queue took it. Clients follow their acks, as those with an outbox do, and keep a bounded
number of readings uncommitted: the broker's queue is not the place where a backlog belongs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass

import asyncpg

from pulse_bench.errors import BenchError
from pulse_bench.load import LoadPair
from pulse_bench.native import Account
from pulse_bench.stack import Stack, register, say_hello, sign_in

_COUNT = "SELECT coalesce(sum(received), 0)::bigint FROM telemetry.completeness WHERE client_id LIKE $1"
_CHECK = """
    SELECT (SELECT count(*) FROM telemetry.telemetry_data WHERE client_id LIKE $1),
           (SELECT coalesce(sum(missing), 0)::bigint FROM telemetry.completeness WHERE client_id LIKE $1)
"""
METRICS_A_MESSAGE = 3
UNCOMMITTED = 200
"""Readings a client keeps on their way: 50 clients fill the broker's queue to a tenth of its bound."""


@dataclass(frozen=True, slots=True)
class IngestFigure:
    """One run. Messages a second, by the clients' acks; the table was counted afterwards."""

    messages: int
    durable_per_s: float
    rows_stored: int
    missing: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the fields for a JSON report."""
        return asdict(self)


async def measure_durable_ingest(
    stack: Stack, pair: LoadPair, *, clients: int, messages: int, run: int
) -> IngestFigure:
    """Publish `clients` × `messages` and wait until all of them are committed and acknowledged.

    Raises:
        BenchError: a reading is missing in the table, or no ack came for 30 s.
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
        published = await pair.publish(
            stack.mqtt_host, stack.mqtt_port, accounts, messages=messages, uncommitted=UNCOMMITTED
        )
        seconds = published.seconds
        if published.committed < clients * messages:
            await _until_counted(database, f"{prefix}%", clients * messages)
            seconds = time.perf_counter() - started
        rows, missing = (await database.fetch(_CHECK, f"{prefix}%"))[0]
    finally:
        await database.close()
    if rows != clients * messages * METRICS_A_MESSAGE or missing:
        raise BenchError(
            f"{clients * messages * METRICS_A_MESSAGE} rows were due, {rows} are stored, {missing} missing"
        )
    total = clients * messages
    return IngestFigure(total, total / seconds, rows, missing)


async def _until_counted(database: asyncpg.Connection, pattern: str, wanted: int) -> None:
    """Wait until the ledgers hold everything: for a publisher that does not follow its acks."""
    counted, progress_at = 0, time.perf_counter()
    while counted < wanted:
        await asyncio.sleep(0.05)
        now = int(await database.fetchval(_COUNT, pattern))
        if now > counted:
            counted, progress_at = now, time.perf_counter()
        elif time.perf_counter() - progress_at > 30:
            raise BenchError(f"{counted} of {wanted} readings were committed, and no more for 30 s")
