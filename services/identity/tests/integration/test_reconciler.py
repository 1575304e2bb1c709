"""A process that dies between the broker and the commit leaves nothing behind that stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pulse_chassis.mqtt import NotAuthorizedError
from pulse_identity.domain.credentials import new_api_key
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.storage.tables import devices
from pulse_identity.use_cases.reconcile_broker import ReconcileBroker

KILLED_AFTER_THE_BROKER = """
import asyncio, os, signal, uuid
from pulse_identity import app
from pulse_identity.settings import IdentitySettings
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.register_devices import DeviceWish, RegisterDevices

class Killing:
    def __init__(self, broker):
        self.broker = broker
    async def put(self, accounts):
        await self.broker.put(accounts)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    parts = app.make_parts(IdentitySettings())
    stop = asyncio.Event()
    link = asyncio.create_task(parts.broker.worker().run(stop))
    caller = Caller(uuid.UUID(os.environ["TEST_USER"]), uuid.UUID(os.environ["TEST_SESSION"]))
    await RegisterDevices(parts.work, Killing(parts.broker), parts.clock)(caller, [DeviceWish(id="cut-short")])

asyncio.run(main())
"""


@pytest.fixture
def reconcile(service):
    return ReconcileBroker(service.parts.work, service.parts.broker, service.parts.clock, timedelta(0))


def _environment(settings, admin, session_id):
    def plain(secret):
        return secret.get_secret_value()

    return {
        "PATH": os.environ["PATH"],
        "PULSE_DATABASE_URL": plain(settings.database_url),
        "PULSE_REDIS_URL": plain(settings.redis_url),
        "PULSE_MQTT_HOST": settings.mqtt_host,
        "PULSE_MQTT_PORT": str(settings.mqtt_port),
        "PULSE_IDENTITY_SECRET": plain(settings.identity_secret),
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": plain(settings.identity_broker_admin_password),
        "TEST_USER": admin.id,
        "TEST_SESSION": session_id,
    }


async def test_a_process_killed_between_broker_and_commit_leaves_no_account(
    service, admin, identity_settings, reconcile
):
    session_id = (await admin.call("GET", "/api/profile", status=200))["session_id"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_AFTER_THE_BROKER, env=_environment(identity_settings, admin, session_id)
    )
    assert await process.wait() == -signal.SIGKILL
    assert await service.parts.broker.find("cut-short") is not None
    await admin.call("GET", "/api/devices/cut-short", status=404)
    done = await reconcile()
    assert done.deleted >= 1
    assert await service.parts.broker.find("cut-short") is None
    await admin.call("POST", "/api/devices", {"id": "cut-short"}, status=201)


async def test_registering_over_an_orphan_takes_it_over_with_the_new_key(service, admin, mqtt_session):
    old = DeviceAccount("left-over", new_api_key())
    await service.parts.broker.put([old])
    new = await admin.call("POST", "/api/devices", {"id": "left-over"}, status=201)
    async with await mqtt_session("left-over", new["api_key"]) as session:
        assert session.is_open
    with pytest.raises(NotAuthorizedError):
        await mqtt_session("left-over", old.key.text)


async def test_an_orphan_is_left_alone_until_it_is_old(service):
    patient = ReconcileBroker(service.parts.work, service.parts.broker, service.parts.clock, timedelta(seconds=60))
    await service.parts.broker.put([DeviceAccount("young-orphan", new_api_key())])
    await patient()
    await patient()
    assert await service.parts.broker.find("young-orphan") is not None
    await service.parts.broker.delete(["young-orphan"])


@pytest.mark.parametrize("is_active", [True, False])
async def test_an_account_in_the_wrong_state_follows_the_registry(service, admin, reconcile, mqtt_session, is_active):
    name = f"switch-{is_active}"
    device = await admin.call("POST", "/api/devices", {"id": name}, status=201)
    await service.parts.broker.set_enabled(name, is_enabled=not is_active)
    async with service.parts.database.transaction() as session:
        await session.execute(sa.update(devices).where(devices.c.id == name).values(is_active=is_active))
    assert (await reconcile()).switched == 1
    state = await service.parts.broker.find(name)
    assert (state.is_enabled, state.key_prefix) == (is_active, device["key_prefix"])
    assert (await reconcile()).switched == 0


async def test_a_device_without_an_account_is_reported_not_invented(service, admin, reconcile):
    await admin.call("POST", "/api/devices", {"id": "lost-account"}, status=201)
    await service.parts.broker.delete(["lost-account"])
    await reconcile()
    assert (await reconcile()).missing == 1
    assert await service.parts.broker.find("lost-account") is None


async def test_service_accounts_are_not_touched(service, reconcile, mosquitto_broker, mqtt_session):
    await reconcile()
    username, password = mosquitto_broker.svc_ingest
    async with await mqtt_session(username, password) as session:
        assert session.is_open
    assert username not in {account.device_id for account in await service.parts.broker.all()}


async def test_a_pass_that_runs_beside_registrations_and_switches_breaks_none(service, admin, reconcile):
    async def churn(number):
        name = f"churn-{number}"
        await admin.call("POST", "/api/devices", {"id": name}, status=201)
        await admin.call("POST", f"/api/devices/{name}/disable", status=200)

    is_over = asyncio.Event()

    async def passes():
        while not is_over.is_set():
            await reconcile()

    passing = asyncio.create_task(passes())
    await asyncio.gather(*(churn(number) for number in range(8)))
    is_over.set()
    await passing
    states = {account.device_id: account.is_enabled for account in await service.parts.broker.all()}
    assert {name: states.get(name) for name in (f"churn-{n}" for n in range(8))} == {
        f"churn-{n}": False for n in range(8)
    }


async def test_an_account_with_a_foreign_key_is_reported_and_mended_by_a_rotation(
    service, admin, reconcile, mqtt_session
):
    await admin.call("POST", "/api/devices", {"id": "rotated"}, status=201)
    await service.parts.broker.put([DeviceAccount("rotated", new_api_key())])
    await reconcile()
    assert (await reconcile()).missing == 1
    new = (await admin.call("POST", "/api/devices/rotated/rotate-key", {"overlap_seconds": 60}, status=200))["api_key"]
    async with await mqtt_session("rotated", new):
        pass
    assert (await reconcile()).missing == 0
