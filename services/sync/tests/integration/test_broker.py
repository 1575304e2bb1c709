"""A whole sync service over the real broker, database and streams; what identity publishes stands beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import pytest
from redis.asyncio import Redis

from pulse_chassis.run import run_workers
from pulse_chassis.sealing import Sealer, SealKey
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_chassis.streams import StreamReader, StreamWriter
from pulse_contracts.operations import OPERATION_TYPE
from pulse_contracts.streams import CHANGES_STREAM, SYNC_STREAM, RowChanged
from pulse_contracts.sync import DOWN, DOWN_TYPE, SEALED
from pulse_sync import app


@dataclass
class Service:
    """A running service and the world it serves."""

    world: Any
    parts: app.Parts
    redis: Redis
    broker: Any
    seal_keys: dict[str, SealKey] = field(default_factory=dict)

    async def changed(self, row: Any) -> None:
        """Publish what identity would."""
        event = RowChanged(entity=row.entity, id=row.id, version=row.version)
        await StreamWriter(self.redis, CHANGES_STREAM, 1000).append(event.model_dump_json().encode())

    @contextlib.asynccontextmanager
    async def desktop(self, device_id: str) -> AsyncIterator[Peer]:
        key = f"key-of-{device_id}"
        await asyncio.to_thread(self.broker.add_device, device_id, key)
        async with aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=device_id,
            password=key,
            identifier=device_id,
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            await client.subscribe([(f"sync/{device_id}/down", 1), ("sync/+/update", 1)])
            yield Peer(client, device_id, self)
        await asyncio.to_thread(self.broker.remove_device, device_id)


@dataclass
class Peer:
    """A desktop's end of the wire."""

    client: aiomqtt.Client
    device_id: str
    service: Service

    async def say(self, payload: bytes | dict[str, Any]) -> None:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.client.publish(f"sync/{self.device_id}/up", raw, qos=1)

    async def hear(self, topic: str | None = None) -> Any:
        """Return the next message of this topic (by default one's own)."""
        wanted = topic or f"sync/{self.device_id}/down"
        async with asyncio.timeout(30):
            async for message in self.client.messages:
                if message.topic.value == wanted:
                    return self.read(message.payload) if topic is None else json.loads(message.payload)
        raise AssertionError

    def read(self, payload: bytes) -> Any:
        assert payload.startswith(SEALED)
        token = self.service.world.seal_keys[self.device_id].open(payload[1:])
        keys = TrustedKeys([self.service.parts.signing_key.public_jwk()])
        message = DOWN.validate_json(keys.open(token, DOWN_TYPE))
        assert message.aud == self.device_id
        assert message.topic == f"sync/{self.device_id}/down"
        return message


@pytest.fixture
async def service(
    postgres_world: Any, valkey_database: str, mosquitto_broker: Any, eventually: Any, sync_settings: Any
) -> AsyncIterator[Service]:
    username, password = mosquitto_broker.svc_sync
    settings = sync_settings(
        postgres_world.urls,
        redis_url=valkey_database,
        mqtt_host=mosquitto_broker.host,
        mqtt_port=mosquitto_broker.port,
        mqtt_username=username,
        mqtt_password=password,
        identity_url="http://127.0.0.1:9",
        http_port=0,
    )
    stop = asyncio.Event()
    async with app.open_parts(settings) as parts:
        running = asyncio.create_task(run_workers(app.make_workers(parts), stop=stop))

        async def is_open() -> bool:
            if running.done():
                await running
            return parts.broker.is_open

        await eventually(is_open, what="sync connects")
        redis = Redis.from_url(valkey_database)
        yield Service(postgres_world, parts, redis, mosquitto_broker)
        await redis.aclose()
        stop.set()
        await running


async def test_a_change_is_poked_pulled_and_reported(service: Service, eventually: Any) -> None:
    world = service.world
    await world.add_desktop("D-1")
    await world.put(world.role("viewer", permissions=["devices:read"]), world.user("ann", roles=["viewer"]))
    await world.grant("ann", "D-1")
    async with service.desktop("D-1") as desktop:
        await service.changed(world.user("ann"))
        await service.changed(world.role("viewer"))
        await desktop.hear("sync/users/update")

        async def whole() -> Any:
            await desktop.say({"v": 1, "type": "pull", "req": "one", "since": 0})
            page = await desktop.hear()
            return page if {row.entity for row in page.rows} == {"roles", "users"} else None

        page = await eventually(whole)
        assert (page.type, page.req, page.next) == ("page", "one", None)
        assert page.leases == {}  # identity is away: nobody gets a lease without a verifier

        await desktop.say({"v": 1, "type": "report", "cursor": page.checkpoint, "pending": 2})
        reader = StreamReader(service.redis, SYNC_STREAM)

        async def told() -> Any:
            states = [json.loads(entry) for _, entry in await reader.read("0-0")]
            return [state for state in states if state["cursor"] == page.checkpoint]

        (state, *_) = await eventually(told)
        assert (state["device_id"], state["lag"], state["pending"]) == ("D-1", 0, 2)


async def test_a_push_while_identity_is_away_is_to_be_tried_later_and_loses_nothing(service: Service) -> None:
    world = service.world
    await world.add_desktop("D-1")
    await world.put(world.user("ann"))
    await world.grant("ann", "D-1")
    operation = {
        "op_id": "00000000-0000-4000-8000-00000000000a",
        "desktop_id": "D-1",
        "op_no": 1,
        "entity": "users",
        "id": world.uid("ann"),
        "base_version": 1,
        "fields": {"email": "a@example.org"},
        "updated_at": "1770459330000-0000",
        "actor": world.uid("ann"),
    }
    forged = SigningKey.generate("D-1").sign(json.dumps(operation | {"op_no": 2}).encode(), OPERATION_TYPE)
    genuine = world.desktop_keys["D-1"].sign(json.dumps(operation).encode(), OPERATION_TYPE)
    seal = Sealer(service.parts.seal_key.public_key)
    async with service.desktop("D-1") as desktop:
        await desktop.say({"v": 1, "type": "pull", "req": "p", "since": 0})
        assert (await desktop.hear()).type == "page"
        await world.absorb.compare()
        push = {"v": 1, "type": "push", "req": "p", "operations": [genuine]}
        await desktop.say(SEALED + seal.seal(json.dumps(push).encode()))
        refused = await desktop.hear()
        assert (refused.type, refused.code, refused.retry_after_ms) == ("refused", "try_later", 2000)

        push["operations"] = [forged]
        await desktop.say(SEALED + seal.seal(json.dumps(push).encode()))
        answer = await desktop.hear()
        assert [(o.op_no, o.outcome, o.code) for o in answer.outcomes] == [(2, "rejected", "bad_signature")]


async def test_strangers_and_disabled_desktops_get_no_word_and_hold_up_nobody(service: Service) -> None:
    world = service.world
    await world.add_desktop("D-1", is_active=False)
    await world.add_desktop("D-2")
    async with service.desktop("D-1") as disabled, service.desktop("D-3") as stranger, service.desktop("D-2") as known:
        for peer in (disabled, stranger):
            await peer.say({"v": 1, "type": "pull", "req": "x", "since": 0})
            await peer.say(b"\x01not sealed to anybody")
            await peer.say(b"no json")
        await known.say(b"no json either")
        await known.say({"v": 1, "type": "pull", "req": "y", "since": 0})
        assert (await known.hear()).req == "y"
        for peer in (disabled, stranger):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await peer.hear()


async def test_what_is_asked_while_the_database_is_away_is_answered_when_it_is_back(
    service: Service, postgres_server: Any
) -> None:
    world = service.world
    await world.add_desktop("D-1")
    await world.put(world.permission("devices:read"))
    await world.absorb.compare()
    async with service.desktop("D-1") as desktop:
        await desktop.say({"v": 1, "type": "pull", "req": "before", "since": 0})
        assert (await desktop.hear()).req == "before"
        postgres_server.kill()
        try:
            await desktop.say({"v": 1, "type": "pull", "req": "meanwhile", "since": 0})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await desktop.hear()
        finally:
            postgres_server.start()
        page = await desktop.hear()
        assert (page.req, [row.id for row in page.rows]) == ("meanwhile", ["devices:read"])


async def test_changes_told_while_the_service_could_not_hear_are_found_by_comparison(
    service: Service, valkey_server: Any, eventually: Any
) -> None:
    world = service.world
    await world.add_desktop("D-1")
    async with service.desktop("D-1") as desktop:
        valkey_server.kill()
        try:
            await world.put(world.permission("devices:read"))
        finally:
            valkey_server.start()
        await world.put(world.permission("devices:write"))
        await app.make_absorb(service.parts).compare()

        async def both() -> Any:
            await desktop.say({"v": 1, "type": "pull", "req": "r", "since": 0})
            return len((await desktop.hear()).rows) == 2

        await eventually(both)

        async def is_heard_again() -> Any:
            await world.put(world.permission("alerts:read"))
            await service.changed(world.permission("alerts:read"))
            return (await world.scopes.standing("D-1")).head > 4

        await eventually(is_heard_again)
