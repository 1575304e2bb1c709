"""What a reading costs in CPU of ingest and of PostgreSQL: with few devices and many, with an empty table and a full one.

The rate is the same in all of them, so that a commit holds about as many readings; what the devices are new for (accounts,
hellos, series) is done before, with one reading of each. CPU is counted from the first publish until five seconds after the
last ack: the roll-ups that the readings ask for are made by then. Readings have three metrics.

Registering takes most of the time: Mosquitto writes the file of its accounts anew for each of them, some 4 µs for each that
there is, so ten times as many devices take a hundred times as long (10,000: some three minutes). Hence one fleet that grows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from pulse_bench.errors import BenchError
from pulse_bench.native import CLIENTS_OF_A_PROCESS, FILES_OF_A_CLIENT, Account, NativePair, Shape
from pulse_bench.processes import cpu_seconds, service_process
from pulse_bench.stack import Stack, register, say_hello, sign_in
from pulse_bench.sync_load import raise_file_limit
from pulse_simulator.gateway_session import GatewaySession, GatewayUnreachableError

ENVIRONMENT: Final = {"PULSE_RATE_LIMITS": "off"}
RATE: Final = 5_000
"""Readings a second of all devices together: far below the limit, so that a slow moment of the machine does not queue up."""
_REGISTERED_AT_ONCE: Final = 50
"""A batch beside 10,000 accounts takes two seconds alone, ten on a busy machine, and a session waits for thirty."""
_REGISTERED_TOLD: Final = 1_000
_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 2.0
_HELLOS_AT_ONCE: Final = 32
_UNCOMMITTED: Final = 200
_OTHER_FILES: Final = 1_024
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


def allow_clients(devices: int) -> None:
    """Raise this process's limit of open files to what the broker and the publishers, which inherit it, need."""
    raise_file_limit(max(devices, FILES_OF_A_CLIENT * min(devices, CLIENTS_OF_A_PROCESS)) + _OTHER_FILES)


async def grow_fleet(
    stack: Stack, pair: NativePair, fleet: list[Account], *, devices: int, say: Callable[[str], None]
) -> list[Account]:
    """Return the fleet with so many devices; each new one is registered, said hello and sent one reading.

    Raises BenchError, which names the step that did not come to its end.
    """
    started = time.perf_counter()

    def tell(done: int, what: str) -> None:
        say(f"{time.perf_counter() - started:,.0f} s: {done:,} devices {what}")

    ids = [f"grow-{n:05d}" for n in range(len(fleet), devices)]
    keys = await _register(stack, ids, lambda done: tell(len(fleet) + done, "registered"))
    new = await _welcome(stack, keys)
    tell(devices, "welcomed")
    try:
        await _publish(stack, pair, new, messages=1)
    except BenchError as error:
        raise BenchError(f"the first readings of {len(new):,} devices: {error}") from error
    tell(devices, "have sent a reading")
    return [*fleet, *(Account(a.client_id, a.password, a.epoch, 2) for a in new)]


async def _register(stack: Stack, ids: list[str], tell: Callable[[int], None]) -> dict[str, str]:
    keys: dict[str, str] = {}
    async with sign_in(stack) as session:
        for start in range(0, len(ids), _REGISTERED_AT_ONCE):
            try:
                keys |= await _register_batch(session, ids[start : start + _REGISTERED_AT_ONCE])
            except BenchError as error:
                raise BenchError(f"{len(keys):,} of {len(ids):,} devices were registered, then: {error}") from error
            if len(keys) % _REGISTERED_TOLD == 0:
                tell(len(keys))
    return keys


async def _register_batch(session: GatewaySession, ids: list[str]) -> dict[str, str]:
    """Register these; where the broker did not answer in time none is registered, and it is tried again."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await register(session, ids)
        except BenchError as error:
            if not isinstance(error.__cause__, GatewayUnreachableError):
                raise
        await asyncio.sleep(_PAUSE_SECONDS)
    return await register(session, ids)


async def _welcome(stack: Stack, keys: dict[str, str]) -> list[Account]:
    """Say hello as each of them; it is given its own time, so all of them are as slow as they are many."""
    waiting = iter(keys.items())
    welcomed: dict[str, Account] = {}

    async def work() -> None:
        for client_id, key in waiting:
            welcomed[client_id] = await say_hello(stack, client_id, key)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_HELLOS_AT_ONCE):
                group.create_task(work())
    except ExceptionGroup as failed:
        errors, others = failed.split(BenchError)
        if errors is None or others is not None:
            raise
        first = errors.exceptions[0]
        raise BenchError(f"{len(welcomed):,} of {len(keys):,} devices were welcomed, then: {first}") from failed
    return [welcomed[client_id] for client_id in keys]


async def measure_cost(stack: Stack, pair: NativePair, accounts: list[Account], *, seconds: float) -> CostFigure:
    """Publish at the rate for so many seconds, and count. `accounts` come from `grow_fleet`. Raises BenchError."""
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
    """Publish at the rate, and return how many seconds that took."""
    shape = Shape(rate=RATE)
    done = await pair.publish(
        stack.mqtt_host, stack.mqtt_port, accounts, messages=messages, uncommitted=_UNCOMMITTED, shape=shape
    )
    return done.seconds


def next_accounts(accounts: list[Account], cost: CostFigure) -> list[Account]:
    """Return the accounts for the next measurement, behind what this one sent."""
    sent = cost.readings // len(accounts)
    return [Account(a.client_id, a.password, a.epoch, a.first + sent) for a in accounts]


async def _watch(ingest: psutil.Process, database: psutil.Process, samples: list[tuple[float, float, float]]) -> None:
    while True:
        used = (cpu_seconds(ingest), cpu_seconds(database, with_children=True))
        samples.append((time.perf_counter(), *used))
        await asyncio.sleep(_SAMPLE_SECONDS)


def said(cost: CostFigure) -> str:
    """Return the figure as one line."""
    return (
        f"{cost.devices:,} devices, {cost.table_rows:,} rows: {cost.total_us:.0f} µs a reading, of which ingest "
        f"{cost.ingest_us:.0f} and PostgreSQL {cost.database_us:.0f}, at {cost.readings_per_s:,.0f} readings/s"
    )


def require_rate(figures: list[CostFigure]) -> None:
    """Raise BenchError when a figure was not read at its rate: its commits would not be like the others'."""
    for figure in figures:
        if figure.readings_per_s < RATE / 2:
            raise BenchError(f"{figure.devices} devices sent {figure.readings_per_s:,.0f} readings/s and not {RATE:,}")
