"""What a reading costs in CPU of ingest and of PostgreSQL: with few devices and many, with an empty table and a full one.

The rate is the same in all of them, so that a commit holds about as many readings; what the devices are new for (accounts,
hellos, series) is done before, with one reading of each. CPU is counted from the first publish until five seconds after the
last ack: the roll-ups that the readings ask for are made by then. Readings have three metrics.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from pulse_bench.errors import BenchError
from pulse_bench.native import Account, NativePair, Shape
from pulse_bench.processes import cpu_seconds, service_process
from pulse_bench.stack import Stack, register, say_hello, sign_in

ENVIRONMENT: Final = {"PULSE_RATE_LIMITS": "off"}
RATE: Final = 5_000
"""Readings a second of all devices together: far below the limit, so that a slow moment of the machine does not queue up."""
_REGISTERED_AT_ONCE: Final = 500
_HELLOS_AT_ONCE: Final = 32
_UNCOMMITTED: Final = 200
_CLIENTS_OF_A_PROCESS: Final = 5_000
"""Each takes three files of its process, which has 20,000 on most systems."""
_AFTER_SECONDS: Final = 5.0
_SAMPLE_SECONDS: Final = 0.1
_ROWS: Final = """
select coalesce(sum(reltuples), 0)::bigint from pg_class
where relname like 'sample_day_%' and relkind = 'r' and reltuples > 0
"""


@dataclass(frozen=True, slots=True)
class CostFigure:
    """CPU microseconds a reading. `table_rows` is about how many rows were there before."""

    devices: int
    table_rows: int
    readings: int
    readings_per_s: float
    ingest_us: float
    database_us: float

    @property
    def total_us(self) -> float:
        """Both together."""
        return self.ingest_us + self.database_us

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self) | {"total_us": self.total_us}


async def prepare_devices(stack: Stack, pair: NativePair, *, prefix: str, devices: int) -> list[Account]:
    """Register devices that all said hello and sent one reading. Raises BenchError."""
    ids = [f"{prefix}-{n:05d}" for n in range(devices)]
    keys: dict[str, str] = {}
    async with sign_in(stack) as session:
        for start in range(0, devices, _REGISTERED_AT_ONCE):
            keys |= await register(session, ids[start : start + _REGISTERED_AT_ONCE])
    places = asyncio.Semaphore(_HELLOS_AT_ONCE)

    async def hello(client_id: str) -> Account:
        async with places:
            return await say_hello(stack, client_id, keys[client_id])

    accounts = list(await asyncio.gather(*(hello(client_id) for client_id in ids)))
    await _publish(stack, pair, accounts, messages=1)
    return [Account(a.client_id, a.password, a.epoch, 2) for a in accounts]


async def measure_cost(stack: Stack, pair: NativePair, accounts: list[Account], *, seconds: float) -> CostFigure:
    """Publish at the rate for so many seconds, and count. `accounts` come from `prepare_devices`. Raises BenchError."""
    messages = max(1, round(RATE * seconds / len(accounts)))
    ((rows,),) = await stack.fetch(_ROWS)
    ingest, database = service_process(stack, "ingest"), service_process(stack, "postgres")
    samples: list[tuple[float, float, float]] = []
    watching = asyncio.create_task(_watch(ingest, database, samples))
    try:
        seconds = await _publish(stack, pair, accounts, messages=messages)
        # The publisher connects all clients before it publishes: its own clock says when it began.
        began = time.perf_counter() - seconds
        await asyncio.sleep(_AFTER_SECONDS)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    if not watching.cancelled() and (error := watching.exception()) is not None:
        raise error
    first = next(sample for sample in samples if sample[0] >= began)
    readings = messages * len(accounts)
    return CostFigure(
        devices=len(accounts),
        table_rows=rows,
        readings=readings,
        readings_per_s=readings / seconds,
        ingest_us=(samples[-1][1] - first[1]) / readings * 1e6,
        database_us=(samples[-1][2] - first[2]) / readings * 1e6,
    )


async def _publish(stack: Stack, pair: NativePair, accounts: list[Account], *, messages: int) -> float:
    """Publish at the rate, from as many processes as the clients' files need; return how many seconds that took."""
    parts = [
        accounts[start : start + _CLIENTS_OF_A_PROCESS] for start in range(0, len(accounts), _CLIENTS_OF_A_PROCESS)
    ]
    done = await asyncio.gather(
        *(
            pair.publish(
                stack.mqtt_host,
                stack.mqtt_port,
                part,
                messages=messages,
                uncommitted=_UNCOMMITTED,
                shape=Shape(rate=max(1, RATE * len(part) // len(accounts))),
            )
            for part in parts
        )
    )
    return max(published.seconds for published in done)


def next_accounts(accounts: list[Account], cost: CostFigure) -> list[Account]:
    """Return the accounts for the next measurement, behind what this one sent."""
    sent = cost.readings // len(accounts)
    return [Account(a.client_id, a.password, a.epoch, a.first + sent) for a in accounts]


async def _watch(ingest: psutil.Process, database: psutil.Process, samples: list[tuple[float, float, float]]) -> None:
    while True:
        used = (cpu_seconds(ingest), cpu_seconds(database, with_children=True))
        samples.append((time.perf_counter(), *used))
        await asyncio.sleep(_SAMPLE_SECONDS)


def require_rate(figures: list[CostFigure]) -> None:
    """Raise BenchError when a figure was not read at its rate: its commits would not be like the others'."""
    for figure in figures:
        if figure.readings_per_s < RATE / 2:
            raise BenchError(f"{figure.devices} devices sent {figure.readings_per_s:,.0f} readings/s and not {RATE:,}")
