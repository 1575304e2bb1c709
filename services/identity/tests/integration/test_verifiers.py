"""What desktops check passwords with: right, theirs alone, for who may use them; and no secret of ours anywhere else."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
from uuid import uuid4

import pytest
import sqlalchemy as sa
import structlog
from argon2.low_level import Type, hash_secret_raw

from pulse_chassis.logging import configure_logging
from pulse_contracts.identity_sync import MAX_VERIFIERS
from pulse_contracts.sync import PasswordVerifier
from pulse_contracts.verifiers import is_same_mac, verifier_mac
from pulse_identity.storage.tables import users

PASSWORD = "correct horse battery"
FRESH = "a fresh good password"
SERVICE = {"Authorization": "Bearer between-services-in-tests-only"}


@pytest.fixture
def verifiers_of(service):
    async def ask(desktop_id, *user_ids):
        body = {"desktop_id": desktop_id, "user_ids": list(user_ids)}
        answer = await service.http.post("/internal/verifiers", json=body, headers=SERVICE)
        assert answer.status_code == 200, answer.text
        found = answer.json()["verifiers"]
        return {user_id: PasswordVerifier.model_validate(verifier) for user_id, verifier in found.items()}

    return ask


def agents_mac(desk, verifier, password):
    """What an agent computes, from the verifier and a typed password alone."""
    digest = hash_secret_raw(
        password.encode(),
        base64.b64decode(verifier.salt),
        verifier.time_cost,
        verifier.memory_kib,
        verifier.parallelism,
        verifier.hash_bytes,
        Type.ID,
    )
    return verifier_mac(base64.b64decode(desk.told["verifier_key"]), digest)


async def test_a_desktop_tells_the_right_password_from_a_wrong_one_and_only_that_desktop(
    service, admin, desk, enrol, verifiers_of
):
    other = await enrol()
    (verifier,) = (await verifiers_of(desk.id, admin.id)).values()
    assert is_same_mac(verifier.mac, agents_mac(desk, verifier, PASSWORD))
    assert not is_same_mac(verifier.mac, agents_mac(desk, verifier, "correct horse"))
    assert not is_same_mac(verifier.mac, agents_mac(other, verifier, PASSWORD))
    (elsewhere,) = (await verifiers_of(other.id, admin.id)).values()
    assert elsewhere.mac != verifier.mac
    async with service.parts.database.read() as session:
        stored = await session.scalar(sa.select(users.c.password_hash))
    assert stored.rpartition("$")[2] not in verifier.model_dump_json()


async def test_only_active_people_with_access_and_a_password_have_one(service, admin, desk, verifiers_of):
    shared, by_role, stranger, disabled, external = [
        await service.add_person(admin, *roles) for roles in ((), ("viewer",), ("operator",), (), ())
    ]
    async with service.parts.database.transaction() as session:
        await session.execute(sa.update(users).where(users.c.id == external.id).values(password_hash="!"))
    for person in (shared, disabled, external):
        name = person.tokens["user"]["username"]
        await admin.call("POST", f"/api/devices/{desk.id}/shares", {"user": name}, status=201)
    await admin.call("POST", f"/api/devices/{desk.id}/shares", {"role": "viewer"}, status=201)
    await admin.call("PUT", f"/api/users/{disabled.id}/toggle-status", status=200)
    people = [admin, shared, by_role, stranger, disabled, external]
    found = await verifiers_of(desk.id, *(person.id for person in people), str(uuid4()))
    assert set(found) == {admin.id, shared.id, by_role.id}
    await admin.call("PATCH", f"/api/users/{shared.id}", {"password": FRESH}, status=200)
    (fresh,) = (await verifiers_of(desk.id, shared.id)).values()
    assert is_same_mac(fresh.mac, agents_mac(desk, fresh, FRESH))
    assert fresh.mac != found[shared.id].mac

    await admin.call("POST", f"/api/devices/{desk.id}/disable", status=200)
    assert await verifiers_of(desk.id, admin.id) == {}
    answer = await service.http.post(
        "/internal/verifiers", json={"desktop_id": "none", "user_ids": [admin.id]}, headers=SERVICE
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_desktop")
    too_many = {"desktop_id": desk.id, "user_ids": [str(uuid4())] * (MAX_VERIFIERS + 1)}
    answer = await service.http.post("/internal/verifiers", json=too_many, headers=SERVICE)
    assert answer.status_code == 422


@pytest.fixture
def log_lines(monkeypatch):
    """All that is logged, at the level that says most."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("identity", "DEBUG", "json")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_log_line_view_stream_or_kept_answer_holds_a_hash_password_or_desktops_key(
    service, admin, desk, verifiers_of, log_lines, reader
):
    await admin.call("POST", "/api/users", {"username": "canary-a", "password": "canary password one"}, status=201)
    new_id, sealed = str(uuid4()), desk.seal_password("canary password two")
    await desk.push(
        desk.edit(admin.id, "users", new_id, 0, {"username": "canary-b", "password": sealed}),
        desk.edit(admin.id, "users", new_id, 9, {"password": sealed}, at_ms=1),
        desk.edit(admin.id, "users", str(uuid4()), 0, {"username": "canary-b", "password": sealed}),
        desk.edit(admin.id, "users", str(uuid4()), 0, {"username": "c", "password": "canary password three"}),
    )
    given = await verifiers_of(desk.id, admin.id)
    async with service.parts.database.read() as session:
        hashes = (await session.execute(sa.select(users.c.password_hash))).scalars().all()
        inside = [
            str((await session.execute(sa.text(f"select * from identity.{table}"))).all())
            for table in ("outbox", "applied_operations", "desktop_keys", "password_box")
        ]
    views = ("synced_row", "desktop", "device_registry", "device_access", "user_authority")
    published = [str(await reader.fetch(f"select * from identity.{view}")) for view in views]
    key = desk.told["verifier_key"]
    secrets = ["canary password", sealed, key, base64.b64decode(key).hex(), "argon2id"]
    secrets += [stored.rpartition("$")[2] for stored in hashes]
    secrets += [verifier.mac for verifier in given.values()]
    for text in (log_lines.getvalue(), *inside, *published):
        assert [secret for secret in secrets if secret in text] == []
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert sum(line["event"] == "operation_refused" for line in lines) == 2
