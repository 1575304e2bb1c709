"""`POST /api/telemetry`: anonymous → wrong scope → invalid → valid."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk, route_rules

URL = "/api/telemetry"
READING = {"client_id": "D", "metrics": {"temperature": 21.5}, "timestamp": "2026-11-01T00:00:00Z"}


@pytest.fixture
async def door(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    await world.add_device("D", on_broker=False)
    await world.add_device("OTHER", on_broker=False)
    async with world.ingest() as ingest:
        ingest.app.state.authority._provide = _jwks
        transport = httpx.ASGITransport(app=ingest.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            client.ingest = ingest  # type: ignore[attr-defined] # for the tests that look at its routes
            yield client


KEY = generate_signing_key("test")


async def _jwks() -> dict[str, Any]:
    return {"keys": [public_jwk(KEY)]}


def token(*permissions: str, user: uuid.UUID | None = None) -> dict[str, str]:
    text = issue_access_token(
        KEY,
        user_id=user or uuid.uuid4(),
        username="somebody",
        roles=["operator"],
        permissions=list(permissions),
        session_id=uuid.uuid4(),
        now=datetime.now(UTC),
    )
    return {"Authorization": f"Bearer {text}"}


async def count(world: Any) -> int:
    return await world.fetchval("select count(*) from telemetry_data")


async def test_nobody_in_particular_is_refused(door: httpx.AsyncClient, world: Any) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
        answer = await door.post(URL, json=READING, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
    assert await count(world) == 0


async def test_unknown_key_is_refused_counted_and_written_down(
    door: httpx.AsyncClient, world: Any, eventually: Any
) -> None:
    for headers in ({"X-API-Key": "pk_CANARY"}, {"Authorization": "Bearer pk_CANARY"}):
        answer = await door.post(URL, json=READING, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key")

    async def is_written() -> bool:
        return await world.fetchval("select sum(times)::int from telemetry.rejected where code = 'wrong_key'") == 2

    await eventually(is_written)
    assert 'ingest_rejected_total{code="wrong_key"} 2.0' in (await door.get("/metrics")).text


async def test_guessing_keys_is_slowed_down(door: httpx.AsyncClient) -> None:
    codes = [(await door.post(URL, json=READING, headers={"X-API-Key": f"pk_{n}"})).status_code for n in range(30)]
    assert codes[:20] == [401] * 20
    assert 429 in codes[20:]


async def test_forged_or_powerless_token_is_refused(door: httpx.AsyncClient, world: Any) -> None:
    assert (await door.post(URL, json=READING, headers={"Authorization": "Bearer a.b.c"})).status_code == 401
    assert (await door.post(URL, json=READING, headers=token("telemetry:read"))).status_code == 403
    assert await count(world) == 0


async def test_user_writes_only_for_devices_in_scope(door: httpx.AsyncClient, world: Any) -> None:
    user = uuid.uuid4()
    identity = await world.connect("pulse_identity")
    await identity.execute("insert into identity.stub_access values ($1, 'D', 'control'), ($1, 'OTHER', 'read')", user)
    await identity.close()
    headers = token("telemetry:write", user=user)
    for stranger in ("OTHER", "NOBODY"):
        answer = await door.post(URL, json=READING | {"client_id": stranger}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_device")
    assert (await door.post(URL, json=READING, headers=headers)).status_code == 200
    everything = token("telemetry:write", "devices:all")
    assert (await door.post(URL, json=READING | {"client_id": "OTHER"}, headers=everything)).status_code == 200
    missing = await door.post(URL, json=READING | {"client_id": "NOBODY"}, headers=everything)
    assert missing.status_code == 404
    nameless = await door.post(URL, json={"telemetry": {"a": 1}}, headers=everything)
    assert (nameless.status_code, nameless.json()["code"]) == (422, "bad_shape")
    assert await count(world) == 2


async def test_device_writes_only_for_itself(door: httpx.AsyncClient, world: Any) -> None:
    answer = await door.post(URL, json=READING | {"client_id": "OTHER"}, headers={"X-API-Key": world.keys["D"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_client")
    assert await count(world) == 0


BAD = {
    "not JSON": (b"{", "not_json", 422),
    "empty": (b"", "not_json", 422),
    "a number": (b"5", "bad_shape", 422),
    "an empty array": (b"[]", "bad_shape", 422),
    "not UTF-8": (b'{"a":"\xff"}', "not_utf8", 422),
    "too many": (json.dumps([READING] * 1001).encode(), "too_large", 413),
    "no metrics": (b'{"client_id":"D","metrics":{}}', "no_metrics", 422),
    "NaN": (b'{"client_id":"D","metrics":{"a":NaN}}', "bad_value", 422),
    "an epoch": (b'{"client_id":"D","metrics":{"a":1},"sequence_no":1,"epoch":1}', "bad_shape", 422),
}


@pytest.mark.parametrize("case", BAD)
async def test_body_that_is_wrong_is_a_problem_with_a_code(door: httpx.AsyncClient, world: Any, case: str) -> None:
    body, code, status = BAD[case]
    answer = await door.post(URL, content=body, headers={"X-API-Key": world.keys["D"]})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await count(world) == 0


async def test_body_above_the_limit_is_refused(door: httpx.AsyncClient, world: Any) -> None:
    answer = await door.post(URL, content=b" " * (2 * 1024 * 1024), headers={"X-API-Key": world.keys["D"]})
    assert answer.status_code == 413


FORMS = {
    "desktop": {"client_id": "D", "timestamp": "2026-02-07T10:15:30Z", "sequence_no": 5, "metrics": {"t": 1.5}},
    "single": {"client_id": "D", "metric_name": "temp", "value_numeric": 55},
    "flat": {"device_id": "D", "temperature": 60, "humidity": 75},
    "app": {"telemetry": {"temp": 25}, "timestamp": "2025-12-19T12:00:00"},
}


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_is_committed_when_it_is_answered(door: httpx.AsyncClient, world: Any, form: str) -> None:
    answer = await door.post(URL, json=FORMS[form], headers={"Authorization": f"Bearer {world.keys['D']}"})
    assert answer.status_code == 200
    assert answer.json() == {
        "stored": 1, "rejected": 0, "results": [{"index": 0, "status": "stored", "code": None, "detail": None}]
    }  # fmt: skip
    assert await count(world) >= 1


async def test_array_is_answered_reading_by_reading(door: httpx.AsyncClient, world: Any) -> None:
    body = [FORMS["flat"], {"device_id": "D"}, 5, FORMS["app"], READING | {"client_id": "OTHER"}]
    answer = await door.post(URL, json=body, headers={"X-API-Key": world.keys["D"]})
    assert answer.status_code == 207
    assert (answer.json()["stored"], answer.json()["rejected"]) == (2, 3)
    assert [(result["status"], result["code"]) for result in answer.json()["results"]] == [
        ("stored", None), ("rejected", "no_metrics"), ("rejected", "bad_shape"), ("stored", None),
        ("rejected", "wrong_client"),
    ]  # fmt: skip
    assert await world.fetchval("select count(*) from telemetry.rejected") == 3


async def test_thousand_equal_readings_without_a_time_are_all_kept(door: httpx.AsyncClient, world: Any) -> None:
    body = [{"device_id": "D", "a": 1}] * 1000
    answer = await door.post(URL, json=body, headers={"X-API-Key": world.keys["D"]})
    assert (answer.status_code, answer.json()["stored"]) == (200, 1000)
    assert await count(world) == 1000


async def test_every_route_says_who_may_call_it(door: httpx.AsyncClient) -> None:
    rules = route_rules(door.ingest.app)  # type: ignore[attr-defined] # see the fixture
    assert [(method, path) for method, path, rule in rules if rule is None] == []
