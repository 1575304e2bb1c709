"""The buffer path: runs from the outbox at QoS 1, and the declarations of what was lost.

Guarantees: one contiguous run a message, within 500 rows and 128 KiB, oldest first, as many at once as window and
credit allow. A PUBACK is the broker's receipt and settles nothing; only its refusals mean something here.
Never does: delete.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pulse_agent.delivery.messages import loss_declaration
from pulse_agent.delivery.wiring import Wiring
from pulse_agent.domain.connection import Cause, ConnectionReason, ConnectionState
from pulse_agent.domain.schedule import NEVER, Flight
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttSession, NotConnectedError, PacketTooLargeError, WriteBufferFullError
from pulse_contracts.telemetry import MAX_RUN_BYTES, MAX_RUN_ROWS
from pulse_contracts.topics import telemetry_buffer

NO_MATCHING_SUBSCRIBERS: Final = 0x10
NOT_AUTHORIZED: Final = 0x87
ENVELOPE_BYTES: Final = 256
"""Room for a message's own fields, topic and header beside its rows."""
DISK_PAUSE_SECONDS: Final = 1.0
SHORTEST_WAIT_SECONDS: Final = 0.005

_log = get_logger("drain")


class PublishNotAuthorizedError(Exception):
    """The broker does not let this account publish (any more): the connection must be made anew, slowly."""


class Drain:
    """Empties the outbox over one connection, under `epoch`."""

    def __init__(self, wiring: Wiring, session: MqttSession, epoch: int) -> None:
        self._wiring = wiring
        self._schedule = wiring.schedule
        self._session = session
        self._epoch = epoch
        self._topic = telemetry_buffer(wiring.speaker.client_id)
        limit = session.max_packet_size or MAX_RUN_BYTES
        self._max_bytes = max(1, min(MAX_RUN_BYTES, limit) - ENVELOPE_BYTES)
        self._publishing: set[asyncio.Task[None]] = set()
        self._refusal: PublishNotAuthorizedError | None = None

    async def run(self) -> None:
        """Send until cancelled. Raises PublishNotAuthorizedError."""
        try:
            while True:
                await self._turn()
        finally:
            for task in self._publishing:
                task.cancel()

    async def _turn(self) -> None:
        self._wiring.work.clear()
        now = self._wiring.clock.monotonic()
        self._schedule.tick(now)
        self._show()
        if self._refusal is not None:
            raise self._refusal
        try:
            if await self._send_next(now):
                return
        except OutboxUnavailableError:
            await self._wiring.clock.sleep(DISK_PAUSE_SECONDS)
            return
        moment = self._schedule.next_moment(now, has_losses=self._wiring.outbox.stats.losses > 0)
        await self._wait(None if moment == NEVER else max(SHORTEST_WAIT_SECONDS, moment - now))

    def _show(self) -> None:
        if self._schedule.is_paused:
            self._wiring.show(ConnectionState.OFFLINE_BUFFERING, Cause(ConnectionReason.NO_ANSWER))
        elif self._schedule.is_draining:
            self._wiring.show(ConnectionState.DRAINING, Cause(ConnectionReason.CATCHING_UP))
        else:
            self._wiring.show(ConnectionState.ONLINE, Cause(ConnectionReason.WELCOMED))

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wiring.work.wait()
        except TimeoutError:
            return

    async def _send_next(self, now: float) -> bool:
        """Send one message if one may go; tell whether it did, so that the caller looks again at once."""
        if self._wiring.outbox.stats.losses and self._schedule.may_send_losses(now):
            return await self._send_losses()
        within = self._schedule.next_range(now)
        if within is None:
            return False
        run = await self._wiring.outbox.read_run(within, self._schedule.window.run_rows, self._max_bytes)
        if run is None:
            self._schedule.forget(*within)
            return True
        self._schedule.forget(within[0], run.first - 1)
        flight = self._schedule.sent(run.first, run.last, self._wiring.clock.monotonic())
        if flight is not None:
            self._wiring.counts.buffer_batches += 1
            self._wiring.counts.buffer_rows += run.count
            _log.debug("run_sent", epoch=self._epoch, first=run.first, last=run.last)
            self._publish(flight, run.message(self._epoch))
        return True

    async def _send_losses(self) -> bool:
        losses = await self._wiring.outbox.read_losses(MAX_RUN_ROWS)
        if not losses:
            return False
        ranges = [(loss.low, loss.high) for loss in losses]
        flight = self._schedule.sent_losses(ranges, self._wiring.clock.monotonic())
        self._publish(flight, loss_declaration(self._epoch, losses))
        return True

    def _publish(self, flight: Flight, payload: bytes) -> None:
        task = asyncio.create_task(self._publish_one(flight, payload), name=f"publish {flight.number}")
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish_one(self, flight: Flight, payload: bytes) -> None:
        now = self._wiring.clock.monotonic
        try:
            code = await self._session.publish(self._topic, payload, 1)
        except NotConnectedError:
            return  # the connection's end puts everything back
        except WriteBufferFullError:
            code = NO_MATCHING_SUBSCRIBERS  # nobody reads fast enough: the same remedy
        except PacketTooLargeError:
            self._schedule.too_large(flight.number)
            _log.warning("run_too_large_for_broker", bytes=len(payload), rows=flight.rows)
            code = 0
        if code == NOT_AUTHORIZED:
            self._refusal = PublishNotAuthorizedError(f"the broker refused to publish to {self._topic}")
        elif code >= NO_MATCHING_SUBSCRIBERS:
            self._schedule.refused(flight.number, now())
        self._wiring.work.set()
