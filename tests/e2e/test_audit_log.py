"""The audit log of the whole stack, and that no secret of a run is written anywhere it could be read."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import asyncpg
import httpx
import redis.asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_chassis.mqtt import MqttConnectionError, MqttEndpoint, MqttSession

SETTLED_SECONDS = 20.0


class Canaries:
    """Secrets that can be recognised wherever they turn up, and every problem body that was seen."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.problems: list[str] = []

    def new(self, name: str) -> str:
        return self.add(name, f"canary-{name}-{secrets.token_hex(8)}")

    def add(self, name: str, value: str) -> str:
        self.secrets[f"{name} {len(self.secrets)}"] = value
        return value

    def seen(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code >= 400:
            self.problems.append(answer.text + str(answer.headers))
        return answer

    def found_in(self, text: str) -> list[str]:
        return sorted(name for name, value in self.secrets.items() if value in text)


async def everything_stored(stack: Any) -> dict[str, str]:
    """Return the text of every table and of every value in Redis."""
    found = {}
    connection = await asyncpg.connect(stack.database_url)
    names = await connection.fetch(
        "select schemaname, tablename from pg_tables where schemaname in ('identity', 'telemetry', 'gateway')"
    )
    for schema, table in names:
        rows = await connection.fetch(f'select t::text from "{schema}"."{table}" t')
        found[f"table {schema}.{table}"] = "\n".join(str(row[0]) for row in rows)
    await connection.close()
    async with redis.asyncio.Redis.from_url(stack.description["redis_url"]) as client:
        async for key in client.scan_iter():
            kind = (await client.type(key)).decode()
            if kind == "stream":
                value: Any = await client.xrange(key)
            elif kind == "hash":
                value = await client.hgetall(key)
            else:
                value = await client.get(key) if kind == "string" else kind
            found[f"redis {key!r}"] = f"{key!r} {value!r}"
    return found


async def live_through_a_day(stack: Any, canary: Canaries, admin: httpx.AsyncClient) -> None:
    """Use every kind of secret, right and wrong, on every way in."""

    async def call(method: str, path: str, **more: Any) -> httpx.Response:
        return canary.seen(await admin.request(method, path, **more))

    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as nobody:
        username = f"canary-{secrets.token_hex(4)}"
        first, second = canary.new("password"), canary.new("password")
        user = (await call("POST", "/api/users", json={"username": username, "password": first})).json()
        signed_in = (await nobody.post("/api/auth/login", json={"username": username, "password": first})).json()
        for name in ("access_token", "refresh_token"):
            canary.add(name, signed_in[name])
        own = {"Authorization": f"Bearer {signed_in['access_token']}"}
        change = {"current_password": first, "new_password": second}
        canary.seen(await nobody.put("/api/profile/password", json=change, headers=own))
        for name, value in ((username, canary.new("wrong")), (canary.new("name"), canary.new("wrong"))):
            canary.seen(await nobody.post("/api/auth/login", json={"username": name, "password": value}))
        canary.seen(await nobody.post("/api/auth/login", json={"username": username, "password": [canary.new("odd")]}))
        canary.seen(await nobody.post("/api/auth/refresh", json={"refresh_token": canary.new("refresh")}))
        canary.seen(await nobody.get("/api/users", headers={"Authorization": f"Bearer {canary.new('bearer')}"}))
        canary.seen(await nobody.get("/api/users", headers=own))
        canary.seen(await nobody.get(f"/api/users?access_token={canary.new('query')}"))
        await call(
            "PATCH", f"/api/users/{user['id']}", json={"password": canary.new("given")}, headers={"If-Match": "*"}
        )
        await call("POST", "/api/users", json={"username": "x", "password": canary.new("short")})
        device = (
            await call("POST", "/api/devices", json={"id": username, "metadata": {"password": canary.new("meta")}})
        ).json()
        await use_device_secrets(stack, canary, nobody, device)
        rotated = await call("POST", f"/api/devices/{username}/rotate-key", json={}, headers={"If-Match": "*"})
        canary.add("api_key", rotated.json()["api_key"])
        code = (await call("POST", "/api/devices/enrolment-codes", json={"id": f"{username}-2"})).json()
        canary.add("code", code["code"])
        enrolled = await nobody.post("/api/devices/enroll", json={"code": code["code"], "hostname": "h"})
        canary.add("api_key", enrolled.json()["api_key"])
        canary.seen(await nobody.post("/api/devices/enroll", json={"code": canary.new("code"), "hostname": "h"}))


async def use_device_secrets(stack: Any, canary: Canaries, nobody: httpx.AsyncClient, device: dict[str, Any]) -> None:
    """Send readings and connect with a right key and wrong ones."""
    key = canary.add("api_key", device["api_key"])
    reading = {"device_id": device["id"], "temperature": 1.0}
    for given in (key, canary.new("key"), f"ppk_{canary.new('key')}"):
        canary.seen(await nobody.post("/api/telemetry", json=reading, headers={"X-API-Key": given}))
        canary.seen(await nobody.post("/api/telemetry", json=reading, headers={"Authorization": f"Bearer {given}"}))
        with suppress(MqttConnectionError):
            endpoint = MqttEndpoint(*stack.mqtt, device["id"], given)
            session = await MqttSession.connect(endpoint, client_id=device["id"], on_message=lambda _: None)
            await session.disconnect()
    live = stack.url.replace("http", "ws", 1) + "/ws/live"
    with suppress(InvalidStatus):
        async with connect(f"{live}?token={canary.new('socket')}"):
            pass
    async with connect(live, subprotocols=["precisionpulse.v1"]) as socket:  # type: ignore[list-item]
        frame = {"type": "auth", "id": 1, "token": canary.new("socket"), "client": {"name": "t", "version": "1"}}
        await socket.send(json.dumps(frame))
        with suppress(ConnectionClosed):
            while True:
                canary.problems.append(str(await socket.recv()))


async def audit(admin: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await admin.get("/api/audit", params={"limit": "500", **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_no_secret_of_a_run_is_in_a_log_a_table_a_stream_or_a_problem(running_stack, tmp_path) -> None:
    canary = Canaries()
    async with running_stack(tmp_path / "data", PULSE_ADMIN_PASSWORD=canary.new("admin")) as stack:
        async with stack.admin() as admin:
            canary.add("access_token", admin.headers["Authorization"].removeprefix("Bearer "))
            await live_through_a_day(stack, canary, admin)
            deadline = time.monotonic() + SETTLED_SECONDS
            while True:
                reasons = {item["reason"] for item in await audit(admin, outcome="refused")}
                services = {item["service"] for item in await audit(admin)}
                expected = {"invalid_credentials", "wrong_key", "invalid_token", "forbidden", "invalid_enrolment_code"}
                if reasons >= expected and services >= {"identity", "ingest", "gateway"}:
                    break
                assert time.monotonic() < deadline, (reasons, services)
                await asyncio.sleep(0.2)
        stored = await everything_stored(stack)
        logs = {path.name: path.read_text(errors="replace") for path in (stack.data / "logs").glob("*")}
    assert len(canary.secrets) > 20
    assert len(canary.problems) > 10
    assert any("canary-" in text for text in stored.values()), "the walk sees what was stored: user names, for one"
    leaks = {
        **{f"log {name}": canary.found_in(text) for name, text in logs.items()},
        **{name: canary.found_in(text) for name, text in stored.items()},
        "problems": canary.found_in("\n".join(canary.problems)),
    }
    assert leaks["table identity.devices"], "the walk finds a secret where there is one"
    metadata = {"table identity.devices", "redis b'pulse:devices'"}  # An owner's own notes on a device are no secret.
    assert {where: names for where, names in leaks.items() if names and where not in metadata} == {}


def verify(stack: Any, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pulse_local", "audit", "verify", "--data", str(stack.data), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_pulse_audit_verify_finds_an_end_cut_off_together_with_all_its_signatures(
    running_stack, tmp_path
) -> None:
    async with running_stack(tmp_path / "data") as stack:
        async with stack.admin() as admin:
            for number in range(5):
                await stack.register(admin, f"audited-{number}")
            for _ in range(10):
                await admin.get("/api/telemetry/latest", params={"device_ids": "audited-1,audited-2"})
            deadline = time.monotonic() + SETTLED_SECONDS
            while len(await audit(admin, action="device.registered")) < 5:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            while len(looks := await audit(admin, action="telemetry.read")) < 2:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        assert sorted(look["resource"]["id"] for look in looks) == ["audited-1", "audited-2"], (
            "once a minute and device"
        )
        assert {(look["service"], look["actor"]["name"], look["count"]) for look in looks} == {("gateway", "admin", 1)}
        clean = verify(stack)
        assert clean.returncode == 0, clean.stderr
        assert "as they were written" in clean.stdout
        connection = await asyncpg.connect(stack.database_url)
        await connection.execute("set role pulse_identity")
        for table in ("audit_log", "audit_checkpoints"):
            await connection.execute(f"alter table identity.{table} disable trigger user")
            await connection.execute(f"grant delete, update on identity.{table} to current_user")
        signed = await connection.fetchval("select max(seq) from identity.audit_checkpoints")
        await connection.execute("delete from identity.audit_log where seq > $1", signed)
        await connection.execute("delete from identity.audit_head")
        found = verify(stack)
        assert found.returncode != 0
        assert f"row {signed + 1}: truncated" in found.stdout + found.stderr
        await connection.execute("update identity.audit_log set actor_name = 'nobody' where seq = 1")
        await connection.close()
        found = verify(stack, "--forget")
        assert found.returncode != 0
        assert "row 1: edited" in found.stdout + found.stderr
