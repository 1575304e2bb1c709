"""Desktops: their keys, their secrets, and who may make a workstation."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
import sqlalchemy as sa

from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.streams import DEVICES_STREAM, DeviceChanged
from pulse_contracts.verifiers import VERIFIER_KEY_BYTES
from pulse_identity.storage.sync_tables import desktop_keys
from pulse_identity.storage.tables import outbox

PASSWORD = "correct horse battery"


async def desktops(reader):
    rows = await reader.fetch("select * from identity.desktop order by device_id")
    return {row["device_id"]: {**row, "sign_jwk": json.loads(row["sign_jwk"])} for row in rows}


async def test_a_desktop_enrols_with_its_keys_and_is_told_its_secrets_once(service, admin, enrol, reader):
    desk = await enrol()
    key = base64.b64decode(desk.told["verifier_key"])
    assert len(key) == VERIFIER_KEY_BYTES
    assert len(base64.b64decode(desk.told["password_key"])) == 32
    row = (await desktops(reader))[desk.id]
    public = desk.signs.public_jwk()
    assert row["sign_jwk"] == {name: public[name] for name in ("kty", "crv", "x", "y", "kid")}
    assert (row["seal_key"], row["is_workstation"], row["is_active"]) == (desk.seals.public_key, True, True)
    async with service.parts.database.read() as session:
        stored = (await session.execute(sa.select(desktop_keys))).one()
        told = (await session.execute(sa.select(outbox.c.entry).where(outbox.c.stream == DEVICES_STREAM))).scalars()
        assert {DeviceChanged.model_validate_json(entry).device_id for entry in told} == {desk.id}
    assert key not in bytes(stored.sealed_verifier_key)
    assert service.parts.box.unseal(bytes(stored.sealed_verifier_key)) == key

    await admin.call("POST", f"/api/devices/{desk.id}/disable", status=200)
    assert not (await desktops(reader))[desk.id]["is_active"]
    await admin.call("POST", f"/api/devices/{desk.id}/enable", status=200)
    await admin.call("PATCH", f"/api/devices/{desk.id}", {"kind": "desktop", "groups": ["hall"]}, status=200)
    row = (await desktops(reader))[desk.id]
    assert (row["is_workstation"], row["groups"]) == (False, ["hall"])
    await admin.call("POST", f"/api/devices/{desk.id}/rotate-key", status=200)
    assert desk.id in await desktops(reader)

    again = await enrol("generic", device_id=desk.id)
    assert again.id == desk.id
    assert again.told["verifier_key"] != desk.told["verifier_key"]
    assert again.told["password_key"] == desk.told["password_key"]
    assert (await desktops(reader))[desk.id]["seal_key"] == again.seals.public_key
    plain = await enrol("generic", device_id=desk.id, sign_jwk=None, seal_key=None)
    assert (plain.told["verifier_key"], plain.told["password_key"]) == (None, None)
    assert await desktops(reader) == {}
    third = await enrol("generic", device_id=desk.id)
    await admin.call("DELETE", f"/api/devices/{third.id}", status=204)
    assert await desktops(reader) == {}


def _jwk(**changes):
    return {**SigningKey.generate().public_jwk(), **changes}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"sign_jwk": None}, ("bad_desktop_keys", None)),
        ({"seal_key": None}, ("bad_desktop_keys", None)),
        ({"sign_jwk": {**SigningKey.generate().private_jwk()}}, ("private_key_sent", "sign_jwk")),
        ({"sign_jwk": _jwk(kty="oct")}, ("bad_desktop_keys", "sign_jwk")),
        ({"sign_jwk": _jwk(crv="P-384")}, ("bad_desktop_keys", "sign_jwk")),
        ({"sign_jwk": _jwk(kid="")}, ("bad_desktop_keys", "sign_jwk")),
        ({"sign_jwk": _jwk(kid="k" * 129)}, ("bad_desktop_keys", "sign_jwk")),
        ({"sign_jwk": _jwk(x=base64.urlsafe_b64encode(b"x" * 32).decode())}, ("bad_desktop_keys", "sign_jwk")),
        ({"seal_key": base64.b64encode(b"\0" * 32).decode()}, ("bad_desktop_keys", "seal_key")),
        ({"seal_key": base64.b64encode(b"x" * 31).decode()}, ("bad_desktop_keys", "seal_key")),
        ({"seal_key": "!" * 44}, ("bad_desktop_keys", "seal_key")),
    ],
)
def test_keys_that_are_none_are_refused(changes, refusal):
    from pulse_chassis.errors import InvalidError
    from pulse_identity.use_cases.equip_desktop import checked_keys

    given = {"sign_jwk": _jwk(), "seal_key": SealKey.generate().public_key, **changes}
    with pytest.raises(InvalidError) as caught:
        checked_keys(given["sign_jwk"], given["seal_key"])
    assert (caught.value.code, caught.value.field) == refusal


async def test_keys_that_are_refused_leave_the_code_good(service, admin):
    code = await admin.call("POST", "/api/devices/enrolment-codes", {"kind": "workstation"}, status=201)
    body = {"code": code["code"], "sign_jwk": SigningKey.generate().private_jwk()}
    body["seal_key"] = SealKey.generate().public_key
    answer = await service.http.post("/api/devices/enroll", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "private_key_sent")
    body["sign_jwk"] = SigningKey.generate().public_jwk()
    assert (await service.http.post("/api/devices/enroll", json=body)).status_code == 200


async def test_only_who_may_edit_people_makes_a_workstation(service, admin, enrol):
    operator = await service.add_person(admin, "operator")

    async def refused(method, path, body):
        problem = await operator.call(method, path, body, status=403)
        assert problem["code"] == "workstation_needs_users_write"

    await refused("POST", "/api/devices", {"id": "w-1", "kind": "workstation"})
    await refused("POST", "/api/devices/batch", {"devices": [{"id": "d-1"}, {"id": "w-1", "kind": "workstation"}]})
    await refused("POST", "/api/devices/enrolment-codes", {"kind": "workstation"})
    await operator.call("POST", "/api/devices", {"id": "d-2", "kind": "desktop"}, status=201)
    await refused("PATCH", "/api/devices/d-2", {"kind": "workstation"})
    headers = {"Authorization": f"Bearer {operator.tokens['access_token']}", "content-type": "text/csv"}
    answer = await service.http.post(
        "/api/devices/import", content="id,kind\nd-3,desktop\nw-2,workstation\n", headers=headers
    )
    assert answer.status_code == 422
    assert [(item["field"], item["code"]) for item in answer.json()["errors"]] == [
        ("row 2.kind", "workstation_needs_users_write")
    ]
    # An operator's own device that an admin made a workstation of: its keys are not the operator's to replace.
    bound = await operator.call("POST", "/api/devices/enrolment-codes", {"id": "d-2"}, status=201)
    await admin.call("PATCH", "/api/devices/d-2", {"kind": "workstation"}, status=200)
    await refused("POST", "/api/devices/enrolment-codes", {"id": "d-2"})
    answer = await service.http.post("/api/devices/enroll", json={"code": bound["code"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "invalid_enrolment_code")
    await operator.call("PATCH", "/api/devices/d-2", {"name": "Desk", "kind": "workstation"}, status=200)

    # A code dies with its maker's right.
    role = await admin.call("POST", "/api/roles", {"name": "people", "permissions": ["users:write"]}, status=201)
    chief = await service.add_person(admin, "operator", "people")
    code = await chief.call("POST", "/api/devices/enrolment-codes", {"kind": "workstation"}, status=201)
    await admin.call("PATCH", f"/api/users/{chief.id}", {"roles": ["operator"]}, status=200)
    answer = await service.http.post("/api/devices/enroll", json={"code": code["code"]})
    assert answer.status_code == 403
    assert uuid.UUID(role["id"])
