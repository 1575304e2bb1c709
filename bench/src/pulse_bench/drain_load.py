"""The outboxes of 100 agents are drained: runs of 500 readings a message, from hello to the last ack.

The agents' side is the compiled publisher, which speaks as agents do (QoS 1, acks followed, a bounded number of readings on
their way), because a hundred Python agents would take the two cores that ingest is measured on. Readings have one metric, so
that a reading is a row of the table; they lie a second apart and end now, as those of an outage do. Beside it, in the same run,
the C subscriber drains as many one-reading messages as the broker had queued for it, and stores nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from pulse_bench.errors import BenchError
from pulse_bench.native import Account, NativePair, Shape
from pulse_bench.raw_limit import bare_broker
from pulse_bench.stack import Stack, register, say_hello, sign_in
from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER

ROWS: Final = 500
_SHAPE: Final = Shape(rows=ROWS, metrics=1, step_us=1_000_000)
_UNCOMMITTED: Final = 8 * ROWS
"""Readings an agent has on their way: its window begins with four runs and grows with each ack."""
_QUEUED_BY: Final = 50
_SUBSCRIBER: Final = "queue-subscriber"
_CHECK: Final = """
    SELECT (SELECT count(*) FROM telemetry.telemetry_data WHERE client_id LIKE $1),
           (SELECT coalesce(sum(missing), 0)::bigint FROM telemetry.completeness WHERE client_id LIKE $1)
"""


@dataclass(frozen=True, slots=True)
class DrainFigure:
    """One pair of runs: readings a second into the table, and messages a second out of a broker's queue."""

    agents: int
    readings: int
    readings_per_s: float
    queue_messages: int
    queue_per_s: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self)


async def measure_drain(
    stack: Stack, pair: NativePair, *, agents: int, messages: int, queued: int, run: int
) -> DrainFigure:
    """Drain `messages` runs of each agent, then `queued` messages of a bare broker's queue.

    Raises:
        BenchError: a reading is missing in the table or stored twice, or no ack came for 30 s.
    """
    prefix = f"drain-{run}-"
    async with sign_in(stack) as session:
        keys = await register(session, [f"{prefix}{n:03d}" for n in range(agents)])
    accounts = [await say_hello(stack, client_id, key) for client_id, key in keys.items()]
    done = await pair.publish(
        stack.mqtt_host, stack.mqtt_port, accounts, messages=messages, uncommitted=_UNCOMMITTED, shape=_SHAPE
    )
    due = agents * messages * ROWS
    ((rows, missing),) = await stack.fetch(_CHECK, f"{prefix}%")
    if rows != due or missing:
        raise BenchError(f"{due} rows were due, {rows} are stored, {missing} missing")
    queue = await _drain_queue(pair, queued)
    return DrainFigure(agents, due, due / done.seconds, queued, queue)


async def _drain_queue(pair: NativePair, messages: int) -> float:
    each = messages // _QUEUED_BY
    account = Account(_SUBSCRIBER, "-", 0, 0)
    async with bare_broker() as broker:

        async def subscribe(wanted: int) -> float:
            subscriber = await pair.subscribe(
                "127.0.0.1",
                broker.port,
                account=account,
                topic_filter=TELEMETRY_BUFFER_FILTER,
                messages=wanted,
                is_durable=True,
            )
            return (await pair.received(subscriber)).seconds

        await subscribe(0)
        publishers = [Account(f"queue-{n:03d}", "-", 1, 1) for n in range(_QUEUED_BY)]
        await pair.publish("127.0.0.1", broker.port, publishers, messages=each)
        return each * _QUEUED_BY / await subscribe(each * _QUEUED_BY)
