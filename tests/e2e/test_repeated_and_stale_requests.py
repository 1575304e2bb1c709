"""Through the one door: a request that is sent again is done once, a stale change is refused, an ended session is out."""

import time
from uuid import uuid4

import httpx

PASSWORD = "green lantern 77 harbour"
LIMIT_SECONDS = 1.0


async def test_a_repeated_request_is_done_once_at_every_service(stack) -> None:
    device = f"twice-{uuid4().hex[:8]}"
    async with stack.admin() as http:
        made = [
            await http.post("/api/devices", json={"id": device}, headers={"Idempotency-Key": f"make-{device}"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in made] == [201, 201]
        assert made[0].json()["api_key"] == made[1].json()["api_key"]
        assert made[1].headers["idempotency-replayed"] == "true"
        key = made[0].json()["api_key"]
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as sensor:
        headers = {"X-API-Key": key, "Idempotency-Key": "reading-1"}
        # Without a time of its own a reading is another one each time it is sent.
        sent = [
            await sensor.post("/api/telemetry", json={"client_id": device, "metrics": {"n": 1}}, headers=headers)
            for _ in range(3)
        ]
        assert {answer.is_success for answer in sent} == {True}, sent[0].text
        other = await sensor.post("/api/telemetry", json={"client_id": device, "metrics": {"n": 2}}, headers=headers)
        assert other.json()["code"] == "idempotency_key_reused"
    rows = await stack.fetch("select metric_value from telemetry_data where client_id = $1", device)
    assert [row["metric_value"] for row in rows] == [1.0]


async def test_a_stale_change_is_refused_through_the_gateway(stack) -> None:
    device = f"stale-{uuid4().hex[:8]}"
    async with stack.admin() as http:
        await stack.register(http, device)
        seen = (await http.get(f"/api/devices/{device}")).headers["etag"]
        path, body = f"/api/devices/{device}", {"name": "renamed"}
        answers = [
            await http.patch(path, json=body),
            await http.patch(path, json=body, headers={"If-Match": seen}),
            await http.patch(path, json=body, headers={"If-Match": seen}),
        ]
        assert [answer.status_code for answer in answers] == [428, 200, 412]


async def test_an_ended_session_is_out_at_every_service_within_a_second(stack) -> None:
    name = f"ended-{uuid4().hex[:8]}"
    async with stack.admin() as http:
        body = {"username": name, "password": PASSWORD, "roles": ["operator"]}
        assert (await http.post("/api/users", json=body)).status_code == 201
    ingest = stack.description["services"]["ingest"]["url"]
    async with stack.signed_in(name, PASSWORD) as here, stack.signed_in(name, PASSWORD) as there:
        reading = {"client_id": "nobody", "metrics": {"n": 1}}
        assert (await there.post(f"{ingest}/api/telemetry", json=reading)).status_code != 401
        asked = time.monotonic()
        assert (await here.delete("/api/profile/sessions")).status_code == 204
        for url in (f"{stack.url}/api/profile", f"{stack.url}/api/dashboard/summary"):
            while (await there.get(url)).status_code != 401:
                assert time.monotonic() - asked <= LIMIT_SECONDS
        while (await there.post(f"{ingest}/api/telemetry", json=reading)).status_code != 401:
            assert time.monotonic() - asked <= LIMIT_SECONDS
        assert time.monotonic() - asked <= LIMIT_SECONDS
        assert (await here.get("/api/profile")).status_code == 200
