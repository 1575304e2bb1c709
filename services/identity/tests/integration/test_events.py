"""What the other services hear, and that they hear it only when it is true."""

from __future__ import annotations

import asyncio
import json

import pytest

from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.streams import StreamReader
from pulse_contracts.streams import ACCESS_STREAM, DEVICES_STREAM, AccessChanged, DeviceChanged
from pulse_identity.storage.tables import outbox


@pytest.fixture
async def heard(service):
    """Run the relay, and give a reader of what is on a stream."""
    stop = asyncio.Event()
    relay = OutboxRelay(service.parts.database, outbox, service.parts.redis)
    task = asyncio.create_task(relay.worker().run(stop))

    async def read(stream, kind):
        entries = await StreamReader(service.parts.redis, stream).read("0-0")
        return [kind.model_validate(json.loads(entry)) for _, entry in entries]

    yield read
    stop.set()
    await task


async def test_a_devices_life_is_heard_in_order(admin, heard, until):
    await admin.call("POST", "/api/devices", {"id": "noisy", "name": "A"}, status=201)
    await admin.call("PATCH", "/api/devices/noisy", {"name": "B", "groups": ["g"]}, status=200)
    await admin.call("POST", "/api/devices/noisy/disable", status=200)
    await admin.call("DELETE", "/api/devices/noisy", status=204)

    async def is_complete():
        events = await heard(DEVICES_STREAM, DeviceChanged)
        return bool(events) and events[-1].is_deleted

    await until(is_complete)
    events = await heard(DEVICES_STREAM, DeviceChanged)
    told = [(event.registration.name, event.registration.is_active) for event in events if event.registration]
    assert told == [("A", True), ("B", True), ("B", False)]
    assert events[1].registration.groups == ["g"]


async def test_changed_rights_are_heard(service, admin, heard, until):
    person = await service.add_person(admin, "operator")
    await person.call("POST", "/api/devices", {"id": "shared-one"}, status=201)
    await person.call("POST", "/api/devices/shared-one/shares", {"role": "viewer"}, status=201)
    await admin.call("PUT", f"/api/users/{person.id}/toggle-status", status=200)

    async def is_complete():
        events = await heard(ACCESS_STREAM, AccessChanged)
        kinds = {event.kind for event in events if event.user_id is None or str(event.user_id) == person.id}
        return {"user", "share", "session_revoked"} <= kinds

    await until(is_complete)
