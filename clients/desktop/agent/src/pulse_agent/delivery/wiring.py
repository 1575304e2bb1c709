"""What the parts of one agent's delivery share: outbox, schedule, speaker, time, the state shown, other handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pulse_agent.delivery.downlink import DownlinkRouter
from pulse_agent.delivery.messages import Speaker
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.domain.connection import Cause, ConnectionState
from pulse_agent.domain.schedule import DeliverySchedule
from pulse_agent.outbox.outbox import Outbox
from pulse_chassis.clock import Clock


@dataclass(slots=True)
class DeliveryCounts:
    """What was sent and settled since the start, for `status`, the simulator and benches."""

    live_rows: int = 0
    live_skipped_rows: int = 0
    buffer_batches: int = 0
    buffer_rows: int = 0
    acks: int = 0
    rejected_rows: int = 0
    connections: int = 0
    last_ack_at: float = 0.0


@dataclass(slots=True)
class Wiring:
    """One agent's delivery. `show` is called with each new state and its cause; `work` wakes the drain."""

    outbox: Outbox
    schedule: DeliverySchedule
    speaker: Speaker
    clock: Clock
    show: Callable[[ConnectionState, Cause], None]
    downlinks: DownlinkRouter
    server_time: ServerTime
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)
    last_hello: int = 0
    """Number of the newest hello that this run of the agent has said."""
    work: asyncio.Event = field(default_factory=asyncio.Event)
