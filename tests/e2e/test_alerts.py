"""An alarm from the reading to everybody who is told, and back; and a day's backlog that tells nobody."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt

from pulse_contracts.frames import Filter
from pulse_local.mail_inbox import MailInbox

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
    """The device on the broker: it publishes; and what its own screen was told."""
    host, port = stack.mqtt
    async with aiomqtt.Client(
        host, port, username=device_id, password=key, identifier=device_id, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        await client.subscribe(f"alert/{device_id}", qos=1)
        shown: list[dict[str, Any]] = []
        watching = asyncio.create_task(follow_screen(client, shown))
        yield client, shown
    await watching


async def read(client: aiomqtt.Client, device_id: str, value: float) -> None:
    body = {"client_id": device_id, "metrics": {"core_heat": value}}
    await client.publish(f"telemetry/{device_id}/live", json.dumps(body), qos=1)


async def follow_screen(client: aiomqtt.Client, shown: list[dict[str, Any]]) -> None:
    with suppress(aiomqtt.MqttError):  # the device left
        async for message in client.messages:
            shown.append(json.loads(message.payload))


async def follow(client: Any, seen: list[dict[str, Any]]) -> None:
    async for frame in client:
        seen.append(frame.model_dump(mode="json", by_alias=True))


@dataclass
class Told:
    """What came out: frames of the socket, and mails."""

    seen: list[dict[str, Any]]
    inbox: MailInbox
    eventually: Callable[..., Awaitable[Any]]

    def steps(self, device_id: str) -> list[tuple[str, str]]:
        """What the socket told of a device's alarms."""
        items = [item["data"] for frame in self.seen if frame["type"] == "event" for item in frame["items"]]
        return [(item["kind"], item["state"]) for item in items if item["device_id"] == device_id]


async def test_an_alarm_is_told_everywhere_and_a_backlog_of_a_day_nowhere(
    running_stack, tmp_path, mail_inbox, eventually
) -> None:
    mail = {"PULSE_MAIL_HOST": "127.0.0.1", "PULSE_MAIL_PORT": str(mail_inbox.port), "PULSE_MAIL_TLS": "none"}
    async with running_stack(tmp_path / "stack", **mail) as stack:
        account = stack.description["admin"]
        async with stack.admin() as http, stack.socket(account["username"], account["password"]) as client:
            keys = await stack.register(http, "furnace-1", "furnace-2")
            for device in keys:
                made = await http.post("/api/alert-rules", json=hot_rule(f"Too hot: {device}", device))
                assert made.status_code == 201, made.text
            wish = {"kind": "email", "name": "On call", "recipients": ["on-call@example.org"], "gather_seconds": 0}
            channel = await http.post("/api/alert-channels", json=wish)
            assert channel.status_code == 201, channel.text
            seen: list[dict[str, Any]] = []
            following = asyncio.create_task(follow(client, seen))
            await client.subscribe("telemetry.latest", name="latest", filter=Filter(device_ids=["furnace-2"]))
            await client.subscribe("alerts", name="alerts")
            told = Told(seen, mail_inbox, eventually)
            async with on_broker(stack, "furnace-1", keys["furnace-1"]) as (broker, shown):
                await an_alarm_is_told_everywhere(http, broker, shown, told)
            epoch = await stack.hello("furnace-2", keys["furnace-2"])
            async with on_broker(stack, "furnace-2", keys["furnace-2"]) as (broker, shown):
                await a_backlog_of_a_day_is_told_nowhere(http, broker, epoch, shown, told)
            following.cancel()


async def an_alarm_is_told_everywhere(http, broker: aiomqtt.Client, shown: list[dict[str, Any]], told: Told) -> None:
    device = "furnace-1"
    alarm = await raised(http, broker, device, told)

    async def everybody_knows(*known: tuple[str, str], on_screen: list[str]) -> bool:
        is_shown = bool(shown) and [one["state"] for one in shown[-1]["active"]] == on_screen
        return is_shown and told.steps(device) == list(known)

    first, second, third = ("raised", "active"), ("acknowledged", "acknowledged"), ("cleared", "cleared")
    await told.eventually(lambda: everybody_knows(first, on_screen=["active"]), what="socket and screen know")
    (mail,) = await told.inbox.wait_for(1, seconds=60)
    assert mail["Subject"] == f"[critical] {device}: Too hot: {device}"

    answer = await http.post(f"/api/alerts/{alarm['id']}/acknowledge", json={})
    assert answer.status_code == 200, answer.text
    await told.eventually(
        lambda: everybody_knows(first, second, on_screen=["acknowledged"]),
        what="everybody knows that it is acknowledged",
    )

    await read(broker, device, 20.0)
    await told.eventually(
        lambda: everybody_knows(first, second, third, on_screen=[]), what="everybody knows that it is over"
    )
    mails = await told.inbox.wait_for(2, seconds=60)
    assert mails[1]["Subject"] == f"[cleared] {device}: Too hot: {device}"
    assert len({one["Message-ID"] for one in mails}) == 2

    async def all_is_sent() -> bool:
        found = (await http.get(f"/api/alerts/{alarm['id']}/deliveries")).json()["items"]
        sent = sorted((one["channel_kind"], one["step_kind"]) for one in found if one["state"] == "sent")
        return sent == [(kind, step) for kind in ("email", "mqtt") for step in ("cleared", "raised")]

    await told.eventually(all_is_sent, what="each delivery says that it was sent")


async def a_backlog_of_a_day_is_told_nowhere(
    http, broker: aiomqtt.Client, epoch: int, shown: list[dict[str, Any]], told: Told
) -> None:
    device = "furnace-2"
    before = len(told.inbox.mails)
    await read(broker, device, 20.0)
    latest = await told.eventually(lambda: latest_of(http, device), what="the live reading is the latest")
    await drain_a_day(broker, device, epoch)

    async def late_alarms() -> list[dict[str, Any]]:
        answer = await http.get("/api/alerts", params={"device_id": device, "is_late": True})
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    late = await told.eventually(late_alarms, seconds=180, what="the backlog was looked through")
    assert any(
        frame["type"] == "gap" and frame["reason"] == "late" and device in (frame["device_ids"] or [])
        for frame in told.seen
    )
    assert await latest_of(http, device) == latest
    rows = [row for frame in told.seen if frame["type"] in {"data", "snapshot"} for row in frame.get("rows") or ()]
    assert {row[3] for row in rows if row[0] == device} == {20.0}
    # Something that is told proves that whatever was to be told before would have been.
    await raised(http, broker, device, told)
    mails = await told.inbox.wait_for(before + 1, seconds=60)
    assert [mail["Subject"] for mail in mails[before:]] == [f"[critical] {device}: Too hot: {device}"]

    async def is_shown() -> bool:
        return bool(shown)

    await told.eventually(is_shown, what="the screen knows")
    assert len(shown[0]["active"]) == 1
    deliveries = [(await http.get(f"/api/alerts/{one['id']}/deliveries")).json()["items"] for one in late]
    assert [one["state"] for items in deliveries for one in items if one["state"] != "suppressed"] == []


async def raised(http, broker: aiomqtt.Client, device: str, told: Told) -> dict[str, Any]:
    """Send readings that are too hot until the alarm is there: the rule may be newer than what evaluates."""

    async def is_there() -> dict[str, Any] | None:
        await read(broker, device, 95.0)
        items = (await http.get("/api/alerts", params={"device_id": device, "is_late": False})).json()["items"]
        return items[0] if items else None

    alarm: dict[str, Any] = await told.eventually(is_there, what="the alarm is there")
    assert (alarm["state"], alarm["severity"]) == ("active", "critical")
    return alarm


async def latest_of(http, device: str) -> Any:
    answer = await http.get("/api/telemetry/latest", params={"device_ids": device})
    assert answer.status_code == 200, answer.text
    rows = [row for row in answer.json()["items"] if row["device_id"] == device]
    return rows or None


async def drain_a_day(broker: aiomqtt.Client, device: str, epoch: int) -> None:
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
