"""What a registered device can and cannot do on the real broker, and how fast it is shut out."""

from __future__ import annotations

import asyncio
import json

import pytest

from pulse_chassis.mqtt import MqttConnectionError, NotAuthorizedError, SubscribeError

KICKED_WITHIN = 1.0
NOT_AUTHORISED = 0x87
SUCCESS = {0x00, 0x10}


@pytest.fixture
async def device(admin):
    return await admin.call("POST", "/api/devices", {"name": "sensor"}, status=201)


@pytest.fixture
async def neighbour(admin):
    return await admin.call("POST", "/api/devices", {"name": "neighbour"}, status=201)


async def test_a_device_connects_with_the_key_it_was_given(device, mqtt_session):
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        assert await session.publish(f"telemetry/{device['id']}/live", b"{}") in SUCCESS


async def test_a_wrong_key_is_refused(device, mqtt_session):
    with pytest.raises(NotAuthorizedError):
        await mqtt_session(device["id"], device["api_key"] + "x")


async def test_a_device_cannot_connect_under_anothers_client_id(device, neighbour, mqtt_session):
    with pytest.raises(NotAuthorizedError):
        await mqtt_session(device["id"], device["api_key"], client_id=neighbour["id"])


async def test_a_device_cannot_publish_under_another_id(device, neighbour, mqtt_session):
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        assert await session.publish(f"telemetry/{neighbour['id']}/live", b"{}") == NOT_AUTHORISED
        assert await session.publish("$CONTROL/dynamic-security/v1", b"{}") == NOT_AUTHORISED
        assert await session.publish(f"ack/{device['id']}", b"{}") == NOT_AUTHORISED


async def test_a_device_cannot_join_a_shared_group(device, mqtt_session):
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        with pytest.raises(SubscribeError):
            await session.subscribe([("$share/ingest/telemetry/+/live", 1)])


async def test_a_device_hears_its_own_acks_and_nothing_of_another(
    device, neighbour, mqtt_session, mosquitto_broker, until
):
    heard = []
    username, password = mosquitto_broker.svc_ingest
    async with (
        await mqtt_session(device["id"], device["api_key"], on_message=heard.append) as session,
        await mqtt_session(neighbour["id"], neighbour["api_key"]) as other,
        await mqtt_session(username, password, client_id="test-ingest") as ingest,
    ):
        for topic_filter in ("#", f"telemetry/{neighbour['id']}/live", "ack/+"):
            try:
                await session.subscribe([(topic_filter, 0)])
            except SubscribeError:
                continue
        await session.subscribe([(f"ack/{device['id']}", 1)])
        await other.publish(f"telemetry/{neighbour['id']}/live", b"secret")
        await ingest.publish(f"ack/{neighbour['id']}", b"secret")
        await ingest.publish(f"ack/{device['id']}", b"mine")
        await until(lambda: any(message.payload == b"mine" for message in heard))
        assert {message.payload for message in heard} == {b"mine"}


@pytest.mark.parametrize("how", ["disable", "rotate-key", "delete"])
async def test_a_device_that_is_shut_out_is_off_the_broker_within_a_second(admin, device, mqtt_session, how):
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        closed = asyncio.create_task(session.wait_closed())
        if how == "delete":
            await admin.call("DELETE", f"/api/devices/{device['id']}", status=204)
        else:
            await admin.call("POST", f"/api/devices/{device['id']}/{how}", status=200)
        async with asyncio.timeout(KICKED_WITHIN):
            await closed
    with pytest.raises(NotAuthorizedError):
        await mqtt_session(device["id"], device["api_key"])


async def test_a_device_that_is_enabled_again_uses_its_old_key(admin, device, mqtt_session):
    await admin.call("POST", f"/api/devices/{device['id']}/disable", status=200)
    answer = await admin.call("POST", f"/api/devices/{device['id']}/enable", status=200)
    assert answer["is_active"] is True
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        assert session.is_open


async def test_a_rotated_key_works_and_a_disabled_device_stays_out_with_it(admin, device, mqtt_session):
    fresh = await admin.call("POST", f"/api/devices/{device['id']}/rotate-key", status=200)
    async with await mqtt_session(device["id"], fresh["api_key"]) as session:
        assert session.is_open
    await admin.call("POST", f"/api/devices/{device['id']}/disable", status=200)
    newer = await admin.call("POST", f"/api/devices/{device['id']}/rotate-key", status=200)
    with pytest.raises(NotAuthorizedError):
        await mqtt_session(device["id"], newer["api_key"])


async def test_a_rotation_mends_an_account_that_the_broker_lost(admin, device, mqtt_session, mosquitto_broker):
    mosquitto_broker.remove_device(device["id"])
    fresh = await admin.call("POST", f"/api/devices/{device['id']}/rotate-key", status=200)
    async with await mqtt_session(device["id"], fresh["api_key"]) as session:
        assert session.is_open


async def test_enabling_a_device_without_an_account_says_so(admin, device, mosquitto_broker):
    await admin.call("POST", f"/api/devices/{device['id']}/disable", status=200)
    mosquitto_broker.remove_device(device["id"])
    problem = await admin.call("POST", f"/api/devices/{device['id']}/enable", status=409)
    assert problem["code"] == "broker_account_missing"
    one = await admin.call("GET", f"/api/devices/{device['id']}", status=200)
    assert one["is_active"] is False


async def test_no_device_can_take_a_service_account(admin, mosquitto_broker, mqtt_session):
    for device_id in ("svc-ingest", "SVC-identity"):
        problem = await admin.call("POST", "/api/devices", {"id": device_id}, status=409)
        assert problem["code"] == "reserved_device_id"
    username, password = mosquitto_broker.svc_ingest
    async with await mqtt_session(username, password) as session:
        assert session.is_open


async def test_with_the_broker_away_nothing_is_half_done(service, admin, device, mosquitto_broker, mqtt_session, until):
    mosquitto_broker.stop()
    try:
        for method, path, body in (
            ("POST", "/api/devices", {"id": "half-done"}),
            ("POST", f"/api/devices/{device['id']}/disable", None),
            ("POST", f"/api/devices/{device['id']}/rotate-key", None),
            ("DELETE", f"/api/devices/{device['id']}", None),
        ):
            problem = await admin.call(method, path, body, status=503)
            assert problem["code"] == "broker_unavailable"
        assert "half-done" not in json.dumps(await admin.call("GET", "/api/devices", status=200))
        one = await admin.call("GET", f"/api/devices/{device['id']}", status=200)
        assert (one["is_active"], one["keys"][0]["prefix"]) == (True, device["key_prefix"])
    finally:
        mosquitto_broker.start()

    async def is_back() -> bool:
        answer = await service.http.get("/readyz")
        return answer.status_code == 200

    await until(is_back)
    async with await mqtt_session(device["id"], device["api_key"]) as session:
        assert session.is_open
    await admin.call("POST", "/api/devices", {"id": "half-done"}, status=201)


async def test_readiness_names_what_is_down(service, mosquitto_broker, until):
    mosquitto_broker.stop()
    try:
        answer = await service.http.get("/readyz")
        states = answer.json()["dependencies"]
        assert answer.status_code == 503
        assert {name for name, state in states.items() if not state["ok"]} == {"mqtt"}
        assert set(states) == {"postgresql", "redis", "mqtt"}
    finally:
        mosquitto_broker.start()


async def test_a_batch_registers_all_or_none(admin, mqtt_session):
    ids = [f"fleet-{number}" for number in range(25)]
    answer = await admin.call("POST", "/api/devices/batch", {"devices": [{"id": name} for name in ids]}, status=201)
    assert [device["id"] for device in answer["devices"]] == ids
    last = answer["devices"][-1]
    async with await mqtt_session(last["id"], last["api_key"]) as session:
        assert session.is_open
    again = [{"id": "fleet-new"}, {"id": "fleet-3"}]
    problem = await admin.call("POST", "/api/devices/batch", {"devices": again}, status=409)
    assert problem["code"] == "device_id_taken"
    await admin.call("GET", "/api/devices/fleet-new", status=404)
    twice = [{"id": "fleet-twin"}, {"id": "fleet-twin"}]
    await admin.call("POST", "/api/devices/batch", {"devices": twice}, status=422)


async def test_registering_the_same_id_at_once_gives_it_to_one(admin):
    answers = await asyncio.gather(*(admin.call("POST", "/api/devices", {"id": "wanted-by-many"}) for _ in range(8)))
    assert sorted("api_key" in answer for answer in answers) == [False] * 7 + [True]
    assert {answer["code"] for answer in answers if "api_key" not in answer} == {"device_id_taken"}


async def test_the_connection_is_refused_without_an_account(mqtt_session):
    with pytest.raises(MqttConnectionError):
        await mqtt_session("nobody", "nothing")
