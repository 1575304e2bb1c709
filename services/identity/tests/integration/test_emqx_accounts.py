"""EMQX as the broker: the whole service with EMQX's management API and its questions, replayed; no Mosquitto in it."""

from __future__ import annotations

import pytest

from pulse_chassis.settings import SettingsError
from pulse_contracts import topics
from pulse_contracts.broker_accounts import SERVICE_READS, SERVICE_WRITES
from pulse_contracts.ids import ClientId
from pulse_identity.messaging import emqx_accounts
from pulse_identity.settings import IdentitySettings

DEVICES = ("edge-1", "edge-2")


@pytest.fixture
def identity_settings(emqx_settings):
    return emqx_settings


@pytest.fixture
async def emqx(service, emqx_peer):
    emqx_peer.http = service.http
    return emqx_peer


async def _register(admin, name):
    return (await admin.call("POST", "/api/devices", {"id": name}, status=201))["api_key"]


def _rights():
    """Give role → (actions and topics that it has), over every topic of the product."""
    rights = {
        name: {("publish", topic) for topic in SERVICE_WRITES[name]}
        | {("subscribe", topic) for topic in SERVICE_READS[name]}
        for name in SERVICE_READS
    }
    for name in DEVICES:
        own = ClientId(name)
        rights[name] = {("publish", topic) for topic in topics.device_writes(own)}
        rights[name] |= {("subscribe", topic) for topic in (*topics.device_reads(own), topics.SYNC_UPDATE_FILTER)}
    return rights


async def test_every_topic_by_every_role_is_as_with_mosquitto(emqx, admin):
    passwords = {name: await _register(admin, name) for name in DEVICES}
    for name in SERVICE_READS:
        passwords[name] = f"the password of {name}, long"
    for name, password in passwords.items():
        assert await emqx.connect(name if name in DEVICES else f"{name}-pod-7", password, name)
    rights = _rights()
    concrete = {topic for has in rights.values() for _, topic in has}
    asked = concrete | {topic.replace("+", "edge-1") for topic in concrete}
    asked |= {"#", "+/#", "telemetry/#", "$SYS/#", "$SYS/brokers", "ack/#", "nothing/of/ours"}
    checked = 0
    for name, has in rights.items():
        client_id = name if name in DEVICES else f"{name}-pod-7"
        for action in ("publish", "subscribe"):
            allowed = [topic for kind, topic in has if kind == action]
            for topic in sorted(asked):
                if action == "publish" and ("+" in topic or "#" in topic):
                    continue
                wanted = topic in allowed or any(_plus_covers(one, topic) for one in allowed)
                assert await emqx.may(client_id, action, topic) is wanted, (name, action, topic)
                checked += 1
    assert checked > 400
    for topic in topics.UPLINK_FILTERS:
        assert await emqx.may("svc-ingest-pod-7", "subscribe", topics.shared("ingest", topic))
        assert not await emqx.may("edge-1", "subscribe", topics.shared("ingest", topic))


def _plus_covers(topic_filter, topic):
    wanted, given = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(given) and all(one in {"+", other} for one, other in zip(wanted, given, strict=True))


async def test_services_are_let_in_by_their_passwords_only(emqx, admin):
    assert await emqx.connect("ingest-a", "the password of svc-ingest, long", "svc-ingest")
    for password in ("", "the password of svc-sync, long", "the password of svc-ingest, lonG", "é"):
        result, _ = await emqx.question("ingest-a", "svc-ingest", password)
        assert result == "deny", password
    # Identity's own account administers Mosquitto; EMQX has none of that name.
    assert not await emqx.connect("svc-identity", "anything", "svc-identity")
    assert await admin.call("POST", "/api/devices", {"id": "svc-ingest"}, status=409)


async def test_a_disabled_device_is_off_the_broker_before_the_answer_and_stays_off(emqx, admin):
    key = await _register(admin, "edge-1")
    assert await emqx.connect("edge-1", key)
    tried = []

    async def comes_back_at_once(name):
        # Before the commit, when the registry still has it as enabled.
        tried.append(await emqx.connect(name, key))

    emqx.on_kick = comes_back_at_once
    await admin.call("POST", "/api/devices/edge-1/disable", status=200)
    assert tried == [False]
    assert "edge-1" not in emqx.sessions
    emqx.banned.clear()
    assert not await emqx.connect("edge-1", key)
    emqx.on_kick = None
    await admin.call("POST", "/api/devices/edge-1/enable", status=200)
    assert await emqx.connect("edge-1", key)


async def test_a_connection_that_was_asked_about_before_the_ban_is_ended_by_the_second_look(
    emqx, admin, service, monkeypatch
):
    monkeypatch.setattr(emqx_accounts, "AGAIN_SECONDS", 0.0)
    key = await _register(admin, "edge-1")
    _, acl = await emqx.question("edge-1", "edge-1", key)

    async def stands_now(name):
        emqx.sessions[name] = (name, acl)

    emqx.on_kick = stands_now
    await admin.call("POST", "/api/devices/edge-1/disable", status=200)
    emqx.on_kick = None
    # Either the worker was faster, or it is done here.
    await service.parts.broker.look_again()
    assert "edge-1" not in emqx.sessions
    assert emqx.kicked.count("edge-1") == 2


async def test_a_new_key_ends_the_connection_with_the_old_one(emqx, admin):
    old = await _register(admin, "edge-1")
    assert await emqx.connect("edge-1", old)
    new = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {}, status=200))["api_key"]
    assert "edge-1" not in emqx.sessions
    assert not await emqx.connect("edge-1", old)
    assert await emqx.connect("edge-1", new)


async def test_a_deleted_device_is_gone_and_its_id_can_be_used_again_at_once(emqx, admin):
    key = await _register(admin, "edge-1")
    assert await emqx.connect("edge-1", key)
    await admin.call("DELETE", "/api/devices/edge-1", status=204)
    assert "edge-1" not in emqx.sessions
    assert not await emqx.connect("edge-1", key)
    assert await emqx.connect("edge-1", await _register(admin, "edge-1"))


async def test_while_emqx_is_away_nothing_is_switched_and_identity_is_not_ready(emqx, admin, service):
    key = await _register(admin, "edge-1")
    emqx.is_down = True
    await admin.call("POST", "/api/devices/edge-1/disable", status=503)
    assert (await service.http.get("/readyz")).status_code == 503
    assert await emqx.connect("edge-1", key)
    emqx.is_down = False
    assert (await service.http.get("/readyz")).status_code == 200
    await admin.call("POST", "/api/devices/edge-1/disable", status=200)
    assert "edge-1" not in emqx.sessions


async def test_a_key_that_was_changed_while_emqx_went_away_is_good_and_the_old_connection_ends_later(
    emqx, admin, service, monkeypatch
):
    monkeypatch.setattr(emqx_accounts, "AGAIN_SECONDS", 0.0)
    old = await _register(admin, "edge-1")
    assert await emqx.connect("edge-1", old)
    emqx.is_down = True
    new = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {}, status=200))["api_key"]
    emqx.is_down = False
    await service.parts.broker.look_again()
    assert "edge-1" not in emqx.sessions
    assert await emqx.connect("edge-1", new)


async def test_accounts_are_the_registry(emqx, admin, service):
    keys = {name: await _register(admin, name) for name in DEVICES}
    await admin.call("POST", "/api/devices/edge-2/disable", status=200)
    found = {state.device_id: state for state in await service.parts.broker.all()}
    assert {name: found[name].is_enabled for name in DEVICES} == {"edge-1": True, "edge-2": False}
    assert all(keys[name].startswith(found[name].key_prefix) for name in DEVICES)
    assert await service.parts.broker.set_enabled("nobody", is_enabled=False) is False


def test_each_broker_needs_its_own_settings(emqx_settings):
    def given(**changes):
        fields = {name: getattr(emqx_settings, name) for name in emqx_settings.model_fields_set} | changes
        return IdentitySettings(**fields)

    assert given().emqx_api is not None
    with pytest.raises(SettingsError, match="PULSE_IDENTITY_EMQX_API_KEY"):
        given(identity_emqx_api_key=None)
    with pytest.raises(SettingsError, match="looks like key:secret"):
        given(identity_emqx_api_key="only-a-key")
    with pytest.raises(SettingsError, match="PULSE_IDENTITY_BROKER_ADMIN_PASSWORD"):
        given(identity_broker="mosquitto", identity_broker_admin_password=None)
    assert given(identity_broker="mosquitto", identity_broker_admin_password="x").emqx_secret is None
