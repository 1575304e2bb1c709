"""Whatever breaks while a device's key is rotated, the broker and the registry end with the same key, and somebody has it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from datetime import timedelta

import pytest

from pulse_chassis.errors import UnavailableError
from pulse_chassis.mqtt import NotAuthorizedError
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.hand_over_key import HandOverKey
from pulse_identity.use_cases.reconcile_broker import ReconcileBroker
from pulse_identity.use_cases.rotate_device_key import RotateDeviceKey

HOUR = timedelta(hours=1)
KILLED = """
import asyncio, os, signal, sys, uuid
from datetime import timedelta
from pulse_identity import app
from pulse_identity.settings import IdentitySettings
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.hand_over_key import HandOverKey
from pulse_identity.use_cases.rotate_device_key import RotateDeviceKey

class Killing:
    def __init__(self, broker):
        self.find = broker.find
        self.broker = broker
    async def put(self, accounts):
        if sys.argv[1] == "after":
            await self.broker.put(accounts)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    parts = app.make_parts(IdentitySettings())
    link = asyncio.create_task(parts.broker.worker().run(asyncio.Event()))
    async with asyncio.timeout(30):
        while True:
            try:
                await parts.broker.check()
                break
            except Exception:
                await asyncio.sleep(0.05)
    caller = Caller(uuid.UUID(os.environ["TEST_USER"]), uuid.UUID(os.environ["TEST_SESSION"]))
    hand_over = HandOverKey(parts.work, Killing(parts.broker), parts.clock)
    await RotateDeviceKey(parts.work, hand_over, parts.clock)(caller, "killed", timedelta(hours=1))

asyncio.run(main())
"""


class FailingWork:
    """Transactions of which one cannot commit: all was done, nothing stays."""

    def __init__(self, work, number):
        self.work = work
        self.left = number

    @contextlib.asynccontextmanager
    async def __call__(self):
        async with self.work() as unit:
            yield unit
            self.left -= 1
            if self.left == 0:
                message = "the database went away at the commit"
                raise UnavailableError(message)


class FailingBroker:
    """A broker whose answer to a new key does not come: it took the key or not."""

    def __init__(self, broker, *, takes):
        self.find = broker.find
        self.broker = broker
        self.takes = takes

    async def put(self, accounts):
        if self.takes:
            await self.broker.put(accounts)
        message = "no answer"
        raise UnavailableError(message)


def rotation(parts, work=None, broker=None):
    work = work or parts.work
    return RotateDeviceKey(work, HandOverKey(work, broker or parts.broker, parts.clock), parts.clock)


@pytest.fixture
def parts(service):
    return service.parts


@pytest.fixture
def reconcile(parts):
    return ReconcileBroker(parts.work, parts.broker, parts.clock, timedelta(0))


@pytest.fixture
async def caller(admin):
    return Caller(uuid.UUID(admin.id), uuid.UUID((await admin.call("GET", "/api/profile", status=200))["session_id"]))


@pytest.fixture
async def old_key(admin):
    return (await admin.call("POST", "/api/devices", {"id": "pump"}, status=201))["api_key"]


@pytest.fixture
def is_let_in(mqtt_session, parts):
    """Whether a key opens the broker and, over HTTP, the registry."""

    async def ask(key, device_id="pump"):
        try:
            async with await mqtt_session(device_id, key):
                on_broker = True
        except NotAuthorizedError:
            on_broker = False
        async with parts.work() as unit:
            prefixes = (await unit.devices.valid_prefixes(parts.clock.now()))[device_id]
        return on_broker, key[:12] in prefixes

    return ask


async def test_the_database_fails_before_the_broker_was_asked_and_nothing_has_changed(
    parts, caller, old_key, is_let_in, reconcile
):
    with pytest.raises(UnavailableError):
        await rotation(parts, FailingWork(parts.work, 1))(caller, "pump", HOUR)
    assert await is_let_in(old_key) == (True, True)
    assert (await reconcile()).handed_over == 0


async def test_the_database_fails_after_the_broker_took_the_key_and_the_caller_has_it(
    parts, caller, old_key, is_let_in, reconcile
):
    rotate = rotation(parts, FailingWork(parts.work, 2))
    new_key = (await rotate(caller, "pump", timedelta(0))).text
    assert await is_let_in(new_key) == (True, True)
    assert await is_let_in(old_key) == (False, True)
    done = await reconcile()
    assert (done.handed_over, done.missing) == (1, 0)
    assert await is_let_in(new_key) == (True, True)
    assert await is_let_in(old_key) == (False, False)
    done = await reconcile()
    assert (done.handed_over, done.missing) == (0, 0)


async def test_the_broker_fails_without_the_key_and_the_old_one_stays(parts, caller, old_key, is_let_in, reconcile):
    with pytest.raises(UnavailableError):
        await rotation(parts, broker=FailingBroker(parts.broker, takes=False))(caller, "pump", HOUR)
    assert await is_let_in(old_key) == (True, True)
    async with parts.work() as unit:
        assert len(await unit.devices.keys("pump")) == 1
    assert (await reconcile()).handed_over == 0


async def test_the_brokers_answer_is_lost_and_the_caller_has_the_key_all_the_same(
    parts, caller, old_key, is_let_in, reconcile
):
    rotate = rotation(parts, broker=FailingBroker(parts.broker, takes=True))
    new_key = (await rotate(caller, "pump", timedelta(0))).text
    assert await is_let_in(new_key) == (True, True)
    assert (await reconcile()).handed_over == 1
    assert await is_let_in(old_key) == (False, False)


async def test_nothing_happens_while_the_broker_is_away(parts, admin, old_key, mosquitto_broker, is_let_in, until):
    mosquitto_broker.stop()
    try:
        answer = await admin.ask("POST", "/api/devices/pump/rotate-key")
        assert answer.status_code == 503
    finally:
        mosquitto_broker.start()

    async def is_back():
        with contextlib.suppress(UnavailableError):
            await parts.broker.check()
            return True
        return False

    await until(is_back, 30.0)
    assert await is_let_in(old_key) == (True, True)
    async with parts.work() as unit:
        assert await unit.device_keys.all_proposed() == {}


async def test_two_rotations_at_once_leave_one_key_that_opens_both_doors(admin, old_key, is_let_in, reconcile):
    answers = await asyncio.gather(*(admin.ask("POST", "/api/devices/pump/rotate-key") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    given = [answer.json()["api_key"] for answer in answers if answer.status_code == 200]
    assert [await is_let_in(key) for key in given].count((True, True)) == 1
    assert (await reconcile()).missing == 0


@pytest.fixture
def environment(identity_settings, caller):
    """What a process of its own needs to rotate a key as the admin."""
    return {
        "PATH": os.environ["PATH"],
        "PULSE_DATABASE_URL": identity_settings.database_url.get_secret_value(),
        "PULSE_REDIS_URL": identity_settings.redis_url.get_secret_value(),
        "PULSE_MQTT_HOST": identity_settings.mqtt_host,
        "PULSE_MQTT_PORT": str(identity_settings.mqtt_port),
        "PULSE_IDENTITY_SECRET": identity_settings.identity_secret.get_secret_value(),
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": identity_settings.identity_broker_admin_password.get_secret_value(),
        "TEST_USER": str(caller.user_id),
        "TEST_SESSION": str(caller.session_id),
    }


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_process_that_dies_around_the_brokers_answer_leaves_one_key_for_both_doors(
    service, admin, environment, is_let_in, reconcile, moment
):
    parts = service.parts
    old_key = (await admin.call("POST", "/api/devices", {"id": "killed"}, status=201))["api_key"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, moment, env=environment)
    assert await process.wait() == -signal.SIGKILL
    done = await reconcile()
    assert (done.handed_over, (await reconcile()).missing) == (1, 0)
    account = await parts.broker.find("killed")
    async with parts.work() as unit:
        prefixes = (await unit.devices.valid_prefixes(parts.clock.now()))["killed"]
    assert account.key_prefix in prefixes
    assert await is_let_in(old_key, "killed") == (moment == "before", True)


async def test_enrolling_a_device_anew_is_as_safe_and_gives_the_code_back(
    service, admin, old_key, is_let_in, reconcile, monkeypatch
):
    parts = service.parts
    code = (await admin.call("POST", "/api/devices/enrolment-codes", {"id": "pump"}, status=201))["code"]

    async def no_answer(_accounts):
        message = "no answer"
        raise UnavailableError(message)

    with monkeypatch.context() as patched:
        patched.setattr(parts.broker, "put", no_answer)
        assert (await service.http.post("/api/devices/enroll", json={"code": code, "hostname": "h"})).status_code == 503
    assert await is_let_in(old_key) == (True, True)
    answer = await service.http.post("/api/devices/enroll", json={"code": code, "hostname": "h"})
    assert answer.status_code == 200, answer.text
    assert await is_let_in(answer.json()["api_key"]) == (True, True)
    assert await is_let_in(old_key) == (False, False)
    assert (await service.http.post("/api/devices/enroll", json={"code": code, "hostname": "h"})).status_code == 403
    assert (await reconcile()).handed_over == 0
