"""What comes beside acks reaches the handler of its topic, and nothing about it holds up readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pulse_agent.app import Agent
from pulse_agent.delivery.downlink import matches
from pulse_agent.domain.connection import ConnectionState
from pulse_agent.domain.reading import Reading
from pulse_agent.settings import AgentSettings
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import SYNC_UPDATE_FILTER, command, sync_down

Wait = Callable[..., Any]


class Recorder:
    """Keeps what it hears; raises when told to."""

    def __init__(self, *filters: tuple[str, int]) -> None:
        self._filters = filters
        self.heard: list[InboundMessage] = []
        self.sessions: list[MqttSession] = []
        self.ends = 0
        self.is_faulty = False

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        return self._filters

    def receive(self, message: InboundMessage, session: MqttSession) -> None:
        self.heard.append(message)
        if self.is_faulty:
            raise RuntimeError("this handler is broken")
        session.ack(message)

    def connected(self, session: MqttSession) -> None:
        self.sessions.append(session)

    def disconnected(self) -> None:
        self.ends += 1


def test_a_filter_matches_level_by_level() -> None:
    assert matches("sync/+/update", "sync/users/update")
    assert not matches("sync/+/update", "sync/users/roles/update")
    assert not matches("sync/D-1/down", "sync/D-2/down")


async def test_messages_reach_their_handler_and_a_broken_handler_stops_no_reading(
    device: MqttEndpoint, server: Any, mosquitto_broker: Any, outbox_path: Path, eventually: Wait
) -> None:
    me = ClientId(str(device.username))
    pages, commands = Recorder((sync_down(me), 1), (SYNC_UPDATE_FILTER, 1)), Recorder((command(me), 2))
    refused = Recorder((sync_down(ClientId("somebody-else")), 1))
    commands.is_faulty = True
    agent = Agent(AgentSettings(outbox_path, me, device, live_patience=0.5), downlinks=[refused, pages, commands])
    stop = asyncio.Event()
    async with agent:
        running = asyncio.create_task(agent.run(stop))
        await eventually(lambda: pages.sessions and commands.sessions, what="connected")
        for account, topic, qos in (
            (mosquitto_broker.svc_sync, sync_down(me), 1),
            (mosquitto_broker.svc_sync, "sync/users/update", 1),
            (mosquitto_broker.svc_commands, command(me), 2),
        ):
            endpoint = MqttEndpoint(device.host, device.port, *account)
            async with await MqttSession.connect(endpoint, client_id=f"t-{qos}", on_message=lambda _: None) as service:
                await service.publish(topic, b"hello", qos)
        await eventually(lambda: len(pages.heard) == 2 and len(commands.heard) == 1, what="heard")
        await agent.put(Reading(1_760_000_000_000_000, {"n": 1}, "test"))
        await eventually(lambda: agent.outbox.stats.rows == 0, what="delivered")
        assert agent.status().state is ConnectionState.ONLINE
        assert agent.status().counts.connections == 1
        stop.set()
        await running
    assert pages.ends == commands.ends == 1
    assert [message.topic for message in pages.heard] == [sync_down(me), "sync/users/update"]
