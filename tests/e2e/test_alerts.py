"""An alarm from the reading to everybody who is told, and back; and a day's backlog that tells nobody."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

from pulse_contracts.frames import Filter

DAY_SECONDS = 24 * 3600


def hot_rule(name: str, *device_ids: str) -> dict[str, Any]:
    return {
        "name": name,
        "metric": "core_heat",
        "severity": "critical",
        "device_ids": list(device_ids),
        "condition": {"kind": "threshold", "test": {"operator": ">", "value": 90, "clear_value": 85}},
        "message": "{device}: {metric} is {value}",
    }


@asynccontextmanager
async def on_broker(stack, device_id: str, key: str):
    """The device on the broker: it publishes, and its own screen listens."""
    host, port = stack.mqtt
    async with aiomqtt.Client(
        host, port, username=device_id, password=key, identifier=device_id, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        await client.subscribe(f"alert/{device_id}", qos=1)
        yield client


async def read(client: aiomqtt.Client, device_id: str, value: float) -> None:
    body = {"client_id": device_id, "metrics": {"core_heat": value}}
    await client.publish(f"telemetry/{device_id}/live", json.dumps(body), qos=1)


async def follow_screen(client: aiomqtt.Client, shown: list[dict[str, Any]]) -> None:
    async for message in client.messages:
        shown.append(json.loads(message.payload))


async def follow(client: Any, seen: list[dict[str, Any]]) -> None:
    async for frame in client:
        seen.append(frame.model_dump(mode="json", by_alias=True))


def steps(seen: list[dict[str, Any]], device_id: str) -> list[tuple[str, str]]:
    items = [item["data"] for frame in seen if frame["type"] == "event" for item in frame["items"]]
    return [(item["kind"], item["state"]) for item in items if item["device_id"] == device_id]


async def test_an_alarm_is_on_socket_screen_and_in_mail_acknowledged_and_cleared(
    running_stack, tmp_path, mail_inbox, eventually
) -> None:
    device = "furnace-1"
    mail = {"PULSE_MAIL_HOST": "127.0.0.1", "PULSE_MAIL_PORT": str(mail_inbox.port), "PULSE_MAIL_TLS": "none"}
    async with running_stack(tmp_path / "stack", **mail) as stack:
        account = stack.description["admin"]
        async with stack.admin() as http, stack.socket(account["username"], account["password"]) as client:
            keys = await stack.register(http, device)
            made = await http.post("/api/alert-rules", json=hot_rule("Furnace too hot", device))
            assert made.status_code == 201, made.text
            wish = {"kind": "email", "name": "On call", "recipients": ["on-call@example.org"], "gather_seconds": 0}
            channel = await http.post("/api/alert-channels", json=wish)
            assert channel.status_code == 201, channel.text
            seen: list[dict[str, Any]] = []
            shown: list[dict[str, Any]] = []
            following = asyncio.create_task(follow(client, seen))
            await client.subscribe("alerts", name="alerts")
            async with on_broker(stack, device, keys[device]) as broker:
                watching = asyncio.create_task(follow_screen(broker, shown))
                alarm = await _raised(http, broker, device, eventually)

                async def everybody_knows(*told: tuple[str, str], states: list[str]) -> bool:
                    on_screen = [one["state"] for one in shown[-1]["active"]] if shown else None
                    return steps(seen, device) == list(told) and on_screen == states

                raised = ("raised", "active")
                await eventually(lambda: everybody_knows(raised, states=["active"]), what="socket and screen know")
                (first,) = await mail_inbox.wait_for(1, seconds=60)
                assert first["Subject"] == f"[critical] {device}: Furnace too hot"

                answer = await http.post(f"/api/alerts/{alarm['id']}/acknowledge", json={})
                assert answer.status_code == 200, answer.text
                acknowledged = ("acknowledged", "acknowledged")
                await eventually(
                    lambda: everybody_knows(raised, acknowledged, states=["acknowledged"]), what="it is acknowledged"
                )

                await read(broker, device, 20.0)
                cleared = ("cleared", "cleared")
                await eventually(
                    lambda: everybody_knows(raised, acknowledged, cleared, states=[]), what="it is cleared"
                )
                mails = await mail_inbox.wait_for(2, seconds=60)
                assert [one["Subject"] for one in mails] == [first["Subject"], f"[cleared] {device}: Furnace too hot"]
                assert len({one["Message-ID"] for one in mails}) == 2
                watching.cancel()
            found = (await http.get(f"/api/alerts/{alarm['id']}/deliveries")).json()["items"]
            told = sorted((one["channel_kind"], one["step_kind"], one["state"]) for one in found)
            assert told == [(kind, step, "sent") for kind in ("email", "mqtt") for step in ("cleared", "raised")]
            following.cancel()


async def _raised(http, broker: aiomqtt.Client, device: str, eventually) -> dict[str, Any]:
    """Send readings that are too hot until the alarm is there: the rule may be newer than what evaluates."""

    async def is_there() -> dict[str, Any] | None:
        await read(broker, device, 95.0)
        items = (await http.get("/api/alerts", params={"device_id": device})).json()["items"]
        return items[0] if items else None

    alarm: dict[str, Any] = await eventually(is_there, what="the alarm is there")
    assert (alarm["state"], alarm["severity"]) == ("active", "critical")
    return alarm


async def test_a_backlog_of_a_day_tells_nobody_and_charts_fetch_it_again(
    running_stack, tmp_path, mail_inbox, eventually
) -> None:
    device = "furnace-2"
    mail = {"PULSE_MAIL_HOST": "127.0.0.1", "PULSE_MAIL_PORT": str(mail_inbox.port), "PULSE_MAIL_TLS": "none"}
    async with running_stack(tmp_path / "stack", **mail) as stack:
        account = stack.description["admin"]
        async with stack.admin() as http, stack.socket(account["username"], account["password"]) as client:
            keys = await stack.register(http, device)
            assert (await http.post("/api/alert-rules", json=hot_rule("Too hot", device))).status_code == 201
            wish = {"kind": "email", "name": "On call", "recipients": ["on-call@example.org"], "gather_seconds": 0}
            assert (await http.post("/api/alert-channels", json=wish)).status_code == 201
            seen: list[dict[str, Any]] = []
            following = asyncio.create_task(follow(client, seen))
            await client.subscribe("telemetry.latest", name="latest", filter=Filter(device_ids=[device]))
            await client.subscribe("alerts", name="alerts")
            epoch = await stack.hello(device, keys[device])
            shown: list[dict[str, Any]] = []
            async with on_broker(stack, device, keys[device]) as broker:
                watching = asyncio.create_task(follow_screen(broker, shown))
                await read(broker, device, 20.0)
                latest = await eventually(lambda: _latest(http, device), what="the live reading is the latest")
                await _drain_a_day(broker, device, epoch)

                async def is_examined() -> list[dict[str, Any]]:
                    asked = {"device_id": device, "is_late": True}
                    items: list[dict[str, Any]] = (await http.get("/api/alerts", params=asked)).json()["items"]
                    return items

                late = await eventually(is_examined, seconds=120, what="the backlog was looked through")
                assert all(one["is_late"] for one in late)
                assert any(
                    frame["type"] == "gap" and frame["reason"] == "late" and device in (frame["device_ids"] or [])
                    for frame in seen
                )
                assert await _latest(http, device) == latest
                rows = [row for frame in seen if frame["type"] == "data" for row in frame["rows"]]
                assert {row[3] for row in rows if row[0] == device} == {20.0}
                # Something that is told proves that whatever was to be told before would have been.
                await _raised(http, broker, device, eventually)
                (told,) = await mail_inbox.wait_for(1, seconds=60)
                await eventually(lambda: _is_long(shown, 1), what="the screen knows")
                watching.cancel()
            assert told["Subject"] == f"[critical] {device}: Too hot"
            assert [one["kind"] for one in shown[0]["changed"]] == ["raised"]
            assert len(shown[0]["active"]) == 1
            deliveries = [(await http.get(f"/api/alerts/{one['id']}/deliveries")).json()["items"] for one in late]
            assert all(one["state"] == "suppressed" for items in deliveries for one in items)
            following.cancel()


async def _is_long(found: list[Any], least: int) -> bool:
    return len(found) >= least


async def _latest(http, device: str) -> Any:
    answer = await http.get("/api/telemetry/latest", params={"device_id": device})
    assert answer.status_code == 200, answer.text
    rows = [row for row in answer.json()["items"] if row["device_id"] == device]
    return rows or None


async def _drain_a_day(broker: aiomqtt.Client, device: str, epoch: int) -> None:
    """Send what an outbox kept for a day: a reading a minute, too hot for an hour in the middle."""
    end = time.time_ns() // 1000 - 10 * 60 * 1_000_000
    start = end - DAY_SECONDS * 1_000_000
    count = 24 * 60
    rows = [
        [start + minute * 60_000_000, {"core_heat": 95.0 if 600 <= minute < 660 else 20.0}] for minute in range(count)
    ]
    for first in range(0, count, 480):
        run = {"v": 1, "epoch": epoch, "first": first + 1, "rows": rows[first : first + 480]}
        await broker.publish(f"telemetry/{device}/buffer", json.dumps(run), qos=1)
