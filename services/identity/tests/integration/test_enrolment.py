"""One-time codes: good once, for a while, for one device, and only as long as their maker has the right."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from pulse_chassis.mqtt import NotAuthorizedError
from pulse_contracts.enrolment import EnrolmentResult
from pulse_identity.storage.tables import enrolment_codes


async def _enroll(service, code, hostname="field-pc 7"):
    return await service.http.post(
        "/api/devices/enroll", json={"code": code, "hostname": hostname, "agent_version": "1.0"}
    )


async def test_a_code_creates_a_device_that_can_connect(service, admin, mqtt_session, mosquitto_broker):
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"name": "Hall 3", "groups": ["halls"]}, status=201)
    assert code["is_new_device"] is True
    answer = await _enroll(service, code["code"].lower().replace("-", " "))
    result = EnrolmentResult.model_validate(answer.json())
    assert result.mqtt.tls_port == mosquitto_broker.tls_port
    assert "BEGIN CERTIFICATE" in (result.mqtt.ca_pem or "")
    async with await mqtt_session(result.device_id, result.api_key) as session:
        assert session.is_open
    device = await admin.call("GET", f"/api/devices/{result.device_id}", status=200)
    assert (device["name"], device["groups"], device["owner_name"]) == ("Hall 3", ["halls"], "admin")


async def test_without_a_name_the_device_is_called_as_its_host_is(service, admin):
    code = await admin.call("POST", "/api/devices/enrolment-codes", status=201)
    result = (await _enroll(service, code["code"], "pump\x00-station \u202eÄ")).json()
    assert result["device_id"].startswith("pump-station-")
    assert result["name"] == "pump-station Ä"


async def test_a_code_for_an_id_creates_that_device(service, admin):
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"id": "line-4"}, status=201)
    assert (await _enroll(service, code["code"])).json()["device_id"] == "line-4"


async def test_a_code_for_a_device_that_exists_gives_it_a_new_key(service, admin, mqtt_session):
    old = await admin.call("POST", "/api/devices", {"id": "line-5"}, status=201)
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"id": "line-5"}, status=201)
    assert code["is_new_device"] is False
    result = (await _enroll(service, code["code"])).json()
    async with await mqtt_session("line-5", result["api_key"]) as session:
        assert session.is_open
    with pytest.raises(NotAuthorizedError):
        await mqtt_session("line-5", old["api_key"])


async def test_one_code_used_by_many_at_once_enrols_one(service, admin):
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"name": "wanted"}, status=201)
    answers = await asyncio.gather(*(_enroll(service, code["code"]) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 7
    assert (await admin.call("GET", "/api/devices?q=wanted", status=200))["total"] == 1


async def test_wrong_used_and_expired_codes_are_refused_alike(service, admin):
    used = await admin.call("POST", "/api/devices/enrolment-codes", status=201)
    await _enroll(service, used["code"])
    expired = await admin.call("POST", "/api/devices/enrolment-codes", status=201)
    async with service.parts.database.transaction() as unit:
        still_good = enrolment_codes.c.used_at.is_(None)
        await unit.execute(sa.update(enrolment_codes).where(still_good).values(expires_at=sa.func.now()))
    for code in (used["code"], expired["code"], "AAAA-AAAA-AAAA-AAAA-AAAA"):
        answer = await _enroll(service, code)
        assert (answer.status_code, answer.json()["code"]) == (403, "invalid_enrolment_code")


async def test_guessing_codes_is_limited_by_address(service):
    answers = [await _enroll(service, f"GUESS-NUMBER-{number}") for number in range(25)]
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "address_limited")


async def test_a_code_dies_with_the_right_of_its_maker(service, admin):
    operator = await service.add_person(admin, "operator")
    code = await operator.call("POST", "/api/devices/enrolment-codes", {"name": "too late"}, status=201)
    await admin.call("PUT", f"/api/users/{operator.id}/toggle-status", status=200)
    assert (await _enroll(service, code["code"])).status_code == 403


async def test_a_code_for_a_deleted_device_does_not_enrol_its_successor(service, admin):
    await admin.call("POST", "/api/devices", {"id": "line-6"}, status=201)
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"id": "line-6"}, status=201)
    await admin.call("DELETE", "/api/devices/line-6", status=204)
    await admin.call("POST", "/api/devices", {"id": "line-6"}, status=201)
    assert (await _enroll(service, code["code"])).status_code == 403


async def test_nobody_makes_a_code_for_a_device_of_somebody_else(service, admin):
    await admin.call("POST", "/api/devices", {"id": "line-7"}, status=201)
    operator = await service.add_person(admin, "operator")
    problem = await operator.call("POST", "/api/devices/enrolment-codes", {"id": "line-7"}, status=409)
    assert problem["code"] == "device_id_taken"


async def test_a_code_is_still_good_after_the_broker_was_away(service, admin, mosquitto_broker, until):
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"id": "line-8"}, status=201)
    mosquitto_broker.stop()
    try:
        assert (await _enroll(service, code["code"])).status_code == 503
    finally:
        mosquitto_broker.start()

    async def is_back() -> bool:
        return (await service.http.get("/readyz")).status_code == 200

    await until(is_back)
    assert (await _enroll(service, code["code"])).status_code == 200


async def test_a_viewer_cannot_make_codes(service, admin):
    viewer = await service.add_person(admin, "viewer")
    await viewer.call("POST", "/api/devices/enrolment-codes", status=403)
    assert (await service.http.post("/api/devices/enrolment-codes")).status_code == 401
