"""The courier: keeps a connection, and decides how long to wait before the next.

A lost link is tried again soon (0.5 s, growing to 30 s, full jitter), so that a minute's cut heals within the next; a
refused account and a session taken over by another with our name slowly (up to 5 min), as trying harder helps
nobody. A failing link is logged once, and its recovery once. Never does: give up, or delete anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from pulse_agent.delivery.conversation import Conversation, Ending
from pulse_agent.delivery.wiring import Wiring
from pulse_agent.domain.connection import Cause, ConnectionReason, ConnectionState
from pulse_agent.domain.reading import StoredReading
from pulse_chassis.backoff import Backoff
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import (
    MqttConnectionError,
    MqttEndpoint,
    MqttError,
    MqttSession,
    NotAuthorizedError,
    Will,
)
from pulse_contracts.topics import heartbeat as heartbeat_topic

CONNECT_SECONDS: Final = 5.0
KEEPALIVE_SECONDS: Final = 7
"""A network that swallows everything is noticed within 5/4 of it (`mqtt_link.py`): the window says so within 10 s."""
STABLE_SECONDS: Final = 60.0
"""A connection that was held so long ends the suspicion that another agent fights over our name."""
MAX_DETAIL_CHARS: Final = 300
_REASONS: Final = {
    Ending.STOPPED: ConnectionReason.STOPPED,
    Ending.LINK_LOST: ConnectionReason.LINK_LOST,
    Ending.NOT_AUTHORIZED: ConnectionReason.NOT_AUTHORIZED,
    Ending.TAKEN_OVER: ConnectionReason.TAKEN_OVER,
}

_log = get_logger("courier")


class Courier:
    """Delivers one outbox to one broker account."""

    def __init__(self, wiring: Wiring, endpoint: MqttEndpoint) -> None:
        self._wiring = wiring
        self._endpoint = endpoint
        self._conversation: Conversation | None = None
        self._soon = Backoff(0.5, 30.0)
        self._slowly = Backoff(10.0, 300.0)
        self._contested = Backoff(5.0, 300.0)
        self._is_failing = False
        self._cause = Cause(ConnectionReason.LINK_LOST)

    def on_stored(self, stored: list[StoredReading]) -> None:
        """Take rows that are on the disk now."""
        if self._conversation is not None:
            self._conversation.on_stored(stored)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`."""
        while not stop.is_set():
            if not self._is_failing:
                self._wiring.show(ConnectionState.CONNECTING, Cause(ConnectionReason.REACHING))
            delay = await self._connect_once(stop)
            if stop.is_set():
                break
            self._wiring.show(ConnectionState.OFFLINE_BUFFERING, replace(self._cause, retry_seconds=delay))
            await self._pause(delay, stop)
        self._wiring.show(ConnectionState.DISCONNECTED, Cause(ConnectionReason.STOPPED))

    async def _connect_once(self, stop: asyncio.Event) -> float:
        """Hold one connection; return how long to wait before the next."""
        wiring = self._wiring
        conversation = Conversation(wiring)
        started = wiring.clock.monotonic()
        connecting = asyncio.create_task(self._connect(conversation))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                return 0.0
            async with connecting.result() as session:
                self._conversation = conversation
                wiring.counts.connections += 1
                wiring.show(ConnectionState.CONNECTING, Cause(ConnectionReason.GREETING))
                ending = await conversation.hold(session, stop)
        except NotAuthorizedError as error:
            self._note_failure(ConnectionReason.NOT_AUTHORIZED, error)
            return self._slowly.next_delay()
        except (MqttError, OSError) as error:
            self._note_failure(ConnectionReason.NOT_REACHABLE, error)
            return self._soon.next_delay()
        finally:
            self._conversation = None
            connecting.cancel()
            stopping.cancel()
        return self._delay_after(ending, conversation.was_welcomed, wiring.clock.monotonic() - started)

    async def _connect(self, conversation: Conversation) -> MqttSession:
        wiring = self._wiring
        will = wiring.speaker.last_will(wiring.outbox.stats, wiring.clock.now())
        return await MqttSession.connect(
            self._endpoint,
            client_id=wiring.speaker.client_id,
            keepalive=KEEPALIVE_SECONDS,
            will=Will(heartbeat_topic(wiring.speaker.client_id), will, 1),
            on_message=conversation.receive,
            timeout=CONNECT_SECONDS,
        )

    def _delay_after(self, ending: Ending, was_welcomed: bool, held_seconds: float) -> float:
        if was_welcomed:
            if self._is_failing:
                _log.info("connection_recovered")
                self._is_failing = False
            self._soon.reset()
            self._slowly.reset()
        if held_seconds > STABLE_SECONDS:
            self._contested.reset()
        self._cause = Cause(_REASONS[ending])
        match ending:
            case Ending.NOT_AUTHORIZED:
                return self._slowly.next_delay()
            case Ending.TAKEN_OVER:
                _log.warning("session_taken_over", detail="another agent connected with this device's account")
                return self._contested.next_delay()
            case _:
                return self._soon.next_delay()

    def _note_failure(self, kind: ConnectionReason, error: Exception) -> None:
        self._cause = Cause(kind, str(error)[:MAX_DETAIL_CHARS])
        code = error.reason_code if isinstance(error, MqttConnectionError) else None
        log = _log.debug if self._is_failing else _log.warning
        log("connection_failed", kind=kind.value, reason=str(error), reason_code=code, host=self._endpoint.host)
        self._is_failing = True

    async def _pause(self, seconds: float, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        sleeping = asyncio.ensure_future(self._wiring.clock.sleep(seconds))
        try:
            await asyncio.wait({stopping, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            sleeping.cancel()
