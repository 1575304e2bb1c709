"""Notifications end to end: people by a real SMTP server, programs by a real HTTP server, devices by a real broker."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiomqtt
import pytest

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
DEVICE_PASSWORD = "a device's key, for tests"
SCREENS = "00000000-0000-4000-8000-00000000a1e7"


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """Verify as a receiver does who knows nothing but the convention."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(KEY.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 60
    return is_fresh and f"v1,{wanted}" in headers["webhook-signature"].split(" ")


@asynccontextmanager
async def screen(world, device_id: str) -> AsyncIterator[aiomqtt.Client]:
    """The device's own screen."""
    async with aiomqtt.Client(
        world.broker.host,
        world.broker.port,
        username=device_id,
        password=DEVICE_PASSWORD,
        identifier=device_id,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(f"alert/{device_id}", qos=1)
        yield client


async def shown(client: aiomqtt.Client) -> dict[str, Any]:
    async with asyncio.timeout(20):
        message = await anext(aiter(client.messages))
    return json.loads(message.payload) if message.payload else {}


def mail_to(inbox) -> dict[str, Any]:
    return {"mail_host": "127.0.0.1", "mail_port": inbox.port, "mail_tls": "none"}


async def test_an_alarm_is_in_a_mail_with_severity_and_device(world, mail_inbox) -> None:
    user = await world.user()
    async with world.service(**mail_to(mail_inbox)):
        channel = await world.channel(user, kind="email", recipients=["night@example.org", "chief@example.org"],
                                      gather_seconds=0, time_zone="Europe/Vienna")  # fmt: skip
        step = await world.raised(rule_name="Hot\r\nBcc: everybody@example.org", message="<b>72.4</b> is too hot")
        (mail,) = await mail_inbox.wait_for(1)
        row = await world.expect_message(channel["id"], "sent")
        deliveries = await world.ask(user, "GET", f"/api/alerts/{step.alarm_id}/deliveries")
    assert mail["Subject"] == f"[critical] {step.device_id}: Hot Bcc: everybody@example.org"
    assert mail["Bcc"] is None
    assert mail_inbox.receivers == [["night@example.org", "chief@example.org"]]
    assert str(row["id"]) in mail["Message-ID"]
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "<b>72.4</b> is too hot" in text
    assert "&lt;b&gt;72.4&lt;/b&gt; is too hot" in html
    assert "CET" in text or "CEST" in text
    items = {one["channel_name"]: one for one in deliveries.json()["items"]}
    assert items[channel["name"]]["state"] == "sent"
    assert items[channel["name"]]["message_id"] == str(row["id"])


async def test_a_webhook_is_tried_again_after_503_under_the_same_id_and_signed(world, receiver) -> None:
    receiver.answers = [(503, {"Retry-After": "1"})]
    user = await world.user()
    async with world.service():
        channel = await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        step = await world.raised()
        row = await world.expect_message(channel["id"], "sent")
    assert len(receiver.posts) == 2
    assert len(set(receiver.ids)) == 1
    assert receiver.ids[0] == f"msg_{row['id'].hex}"
    assert [headers[":line"] for headers, _ in receiver.posts] == ["POST /hooks/pulse?token=secret HTTP/1.1"] * 2
    assert all(is_signed(headers, body) for headers, body in receiver.posts)
    assert receiver.posts[0][1] == receiver.posts[1][1]
    (notice,) = receiver.bodies[0]["notices"]
    assert (notice["event_id"], notice["device_id"], notice["severity"]) == (
        str(step.step_id),
        step.device_id,
        "critical",
    )
    assert (row["attempts"], row["doubtful_attempts"]) == (2, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [((302, {"Location": "http://127.0.0.1:9/"}), "http_302"), ((404, {}), "http_404"), ((410, {}), "http_410")],
)
async def test_what_a_receiver_will_never_take_is_not_tried_again(world, receiver, answer, reason: str) -> None:
    receiver.answers = [answer]
    user = await world.user()
    async with world.service():
        channel = await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        await world.raised()
        row = await world.expect_message(channel["id"], "failed")
        found = await world.ask(user, "GET", f"/api/alert-channels/{channel['id']}/messages")
    assert (row["reason"], row["attempts"], len(receiver.posts)) == (reason, 1, 1)
    assert [(one["state"], one["reason"]) for one in found.json()["items"]] == [("failed", reason)]


async def test_a_name_that_means_a_private_address_is_not_asked(world, receiver) -> None:
    user = await world.user()
    async with world.service(alerts_webhook_networks="192.0.2.0/24"):
        channel = await world.channel(user, kind="webhook", url=f"https://localhost:{receiver.port}/", key=KEY)
        await world.raised()
        row = await world.expect_message(channel["id"], "failed")
    assert row["reason"] == "address_refused"
    assert receiver.posts == []


async def test_killed_between_sending_and_commit_it_is_sent_again_under_the_same_id(world, receiver) -> None:
    user = await world.user()
    receiver.holds = asyncio.Event()
    with world.process() as serving:
        await world.ready()
        channel = await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        await world.raised()
        await world.until(lambda: receiver.posts, what="the receiver has the message")
        serving.kill()
        await asyncio.to_thread(serving.wait)
    receiver.holds.set()
    left = await world.expect_message(channel["id"], "sending")
    # The claim runs out by the clock; a minute of it is taken away here.
    await world.db.execute("update alerts.message set claimed_until = now() - interval '1 second'")
    async with world.service():
        row = await world.expect_message(channel["id"], "sent")
    assert row["id"] == left["id"]
    assert (row["attempts"], row["doubtful_attempts"]) == (2, 1)
    assert len(receiver.posts) == 2
    assert len(set(receiver.ids)) == 1
    assert receiver.posts[0][1] == receiver.posts[1][1]


async def test_nobody_knows_is_said_when_its_time_is_over(world, receiver) -> None:
    user = await world.user()
    receiver.holds = asyncio.Event()
    with world.process() as serving:
        await world.ready()
        channel = await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        await world.raised()
        await world.until(lambda: receiver.posts, what="the receiver has the message")
        serving.kill()
        await asyncio.to_thread(serving.wait)
    await world.db.execute(
        "update alerts.message set claimed_until = now() - interval '1 second', deadline_at = now() - interval '1 second'"
    )
    async with world.service():
        row = await world.expect_message(channel["id"], "unknown")
    assert row["settled_at"] is not None
    assert len(receiver.posts) == 1


async def test_what_comes_while_a_receiver_is_away_comes_as_one_message_in_order(world, receiver) -> None:
    user = await world.user()
    receiver.answers = [(503, {"Retry-After": "2"})]
    async with world.service():
        channel = await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        first = await world.raised()
        await world.until(lambda: receiver.posts, what="it was tried")
        later = [await world.raised(severity="warning") for _ in range(5)]
        await world.until(lambda: len(receiver.posts) == 3, what="the second message")
        await world.expect_message(channel["id"], "sent")
    told = [[notice["event_id"] for notice in body["notices"]] for body in receiver.bodies]
    assert told[1] == [str(first.step_id)]
    assert told[2] == [str(step.step_id) for step in later]


async def test_two_workers_tell_each_step_once(world, mail_inbox, receiver) -> None:
    user = await world.user()
    twin = world.twin()
    async with world.service(**mail_to(mail_inbox)), twin.service(**mail_to(mail_inbox)):
        await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        mails = await world.channel(user, kind="email", recipients=["a@example.org"], gather_seconds=0, rate_limit=None)
        steps = [await world.raised(severity="warning") for _ in range(30)]

        async def all_told() -> bool:
            left = await world.db.fetchval(
                "select count(*) from alerts.delivery d left join alerts.message m on m.id = d.message_id"
                " where m.state is distinct from 'sent'"
            )
            return left == 0 and await world.db.fetchval("select count(*) from alerts.delivery") == 3 * len(steps)

        await world.until(all_told, what="everybody was told of everything")
    told = [notice["event_id"] for body in receiver.bodies for notice in body["notices"]]
    assert sorted(told) == sorted(str(step.step_id) for step in steps)
    assert len(receiver.ids) == len(set(receiver.ids))
    ids = [mail["Message-ID"] for mail in mail_inbox.mails]
    assert len(ids) == len(set(ids))
    assert sum(row["steps"] for row in await world.db.fetch("select steps from alerts.message where channel_id = $1",
                                                            UUID(mails["id"]))) == 30  # fmt: skip


async def test_a_screen_shows_what_is_true_whenever_it_looks(world) -> None:
    device = await world.device(on_broker=True)
    async with world.service():
        async with screen(world, device) as client:
            first = await world.raised(device)
            seen = await shown(client)
            assert [one["alarm_id"] for one in seen["active"]] == [str(first.alarm_id)]
            assert [one["event_id"] for one in seen["changed"]] == [str(first.step_id)]
        second = await world.raised(device, severity="warning")
        await world.expect_message(SCREENS, "sent")
        async with screen(world, device) as client:  # a new one: what is retained is for it
            seen = await shown(client)
            while len(seen["active"]) < 2:
                seen = await shown(client)
            assert [one["severity"] for one in seen["active"]] == ["critical", "warning"]
            await world.cleared(first)
            await world.cleared(second)
            while seen["active"]:
                seen = await shown(client)


async def test_a_broker_that_lost_what_it_retained_is_told_again(world) -> None:
    device = await world.device(on_broker=True)
    async with world.service() as parts:
        raised = await world.raised(device)
        await world.expect_message(SCREENS, "sent")
        async with aiomqtt.Client(
            world.broker.host, world.broker.port, username=world.broker.svc_alerts[0], password=world.broker.svc_alerts[1],
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as service:  # fmt: skip
            await service.publish(f"alert/{device}", b"", qos=1, retain=True)
        parts.notify.broker_is_back()
        async with screen(world, device) as client:
            seen = await shown(client)
    assert [one["alarm_id"] for one in seen["active"]] == [str(raised.alarm_id)]
    assert seen["changed"] == []


async def test_devices_are_not_told_any_more_when_their_channel_is_off(world) -> None:
    user = await world.user()
    device = await world.device(on_broker=True)
    async with world.service():
        await world.raised(device)
        await world.expect_message(SCREENS, "sent")
        off = {"kind": "mqtt", "name": "Screens", "is_enabled": False}
        answer = await world.ask(user, "PUT", f"/api/alert-channels/{SCREENS}", off, If_Match="*")
        assert answer.status_code == 200, answer.text
        async with screen(world, device) as client:
            seen = await shown(client)
            while seen:
                seen = await shown(client)


async def test_late_and_shelved_alarms_tell_nobody_and_say_why(world, receiver) -> None:
    user = await world.user()
    async with world.service():
        await world.channel(user, kind="webhook", url=receiver.url, key=KEY)
        shelved = await world.raised(shelved_until=datetime.now(UTC) + timedelta(hours=1))
        late = await world.raised(is_late=True)
        told = await world.raised()
        await world.until(lambda: receiver.posts, what="the third is told")
        found = [
            (await world.ask(user, "GET", f"/api/alerts/{step.alarm_id}/deliveries")).json()["items"]
            for step in (shelved, late)
        ]
    assert [{(one["state"], one["reason"]) for one in items} for items in found] == [
        {("suppressed", "shelved")},
        {("suppressed", "late")},
    ]
    assert [notice["event_id"] for body in receiver.bodies for notice in body["notices"]] == [str(told.step_id)]


async def test_a_filter_admits_by_severity_group_rule_and_kind(world, receiver) -> None:
    user = await world.user()
    inside, other, outside = [await world.device(groups=(group, "north")) for group in ("hall", "attic", "yard")]
    async with world.service():
        rule = await world.raised(inside)
        rule_id = str(await world.db.fetchval("select rule_id from alerts.alarm where id = $1", rule.alarm_id))
        wanted = {"severities": ["critical"], "kinds": ["raised"], "groups": ["hall", "attic"], "rule_ids": [rule_id]}
        await world.until(lambda: world.db.fetchval("select count(*) = 0 from alerts.notification_due"))
        await world.channel(user, kind="webhook", url=receiver.url, key=KEY, filter=wanted)
        same = {"rule_id": UUID(rule_id)}
        await world.raised(outside, **same)
        await world.raised(other, severity="warning", **same)
        await world.raised(inside)
        await world.cleared(rule)
        told = await world.raised(inside, **same)
        await world.until(lambda: receiver.posts, what="one is told")
        await world.until(lambda: world.db.fetchval("select count(*) = 0 from alerts.notification_due"))
    assert [notice["event_id"] for body in receiver.bodies for notice in body["notices"]] == [str(told.step_id)]


async def test_without_a_mail_server_it_waits_and_says_so(world) -> None:
    user = await world.user()
    async with world.service():
        channel = await world.channel(user, kind="email", recipients=["a@example.org"], gather_seconds=0)
        await world.raised()
        row = await world.expect_message(channel["id"], "queued")
        await world.until(
            lambda: world.db.fetchval(
                "select reason = 'mail_not_configured' from alerts.message where id = $1", row["id"]
            )
        )


async def test_a_test_is_sent_at_once_whatever_the_hour(world, mail_inbox, receiver) -> None:
    user = await world.user()
    now = datetime.now(UTC)
    quiet = {
        "start": now.strftime("%H:%M"),
        "end": (now + timedelta(hours=2)).strftime("%H:%M"),
        "critical_passes": False,
    }
    async with world.service(**mail_to(mail_inbox)):
        mails = await world.channel(user, kind="email", recipients=["a@example.org"], quiet_hours=quiet)
        hooks = await world.channel(user, kind="webhook", url=receiver.url, key=KEY, quiet_hours=quiet)
        await world.raised()
        for channel in (mails, hooks):
            answer = await world.ask(user, "POST", f"/api/alert-channels/{channel['id']}/test", {})
            assert answer.status_code == 202, answer.text
            await world.expect_message(channel["id"], "sent")
    assert [mail["Subject"] for mail in mail_inbox.mails] == ["[test] PrecisionPulse"]
    assert [(body["type"], body["notices"]) for body in receiver.bodies] == [("test", [])]


async def test_a_channel_that_is_switched_off_drops_what_waits_and_says_so(world) -> None:
    user = await world.user()
    async with world.service():
        body = {"kind": "email", "recipients": ["a@example.org"], "gather_seconds": 3600}
        channel = await world.channel(user, **body)
        step = await world.raised()
        await world.until(
            lambda: world.db.fetchval("select count(*) from alerts.delivery where channel_id = $1", UUID(channel["id"]))
        )
        off = {**body, "name": channel["name"], "is_enabled": False}
        assert (
            await world.ask(user, "PUT", f"/api/alert-channels/{channel['id']}", off, If_Match='"1"')
        ).status_code == 200
        found = (await world.ask(user, "GET", f"/api/alerts/{step.alarm_id}/deliveries")).json()["items"]
    held = next(one for one in found if one["channel_id"] == channel["id"])
    assert (held["state"], held["reason"]) == ("suppressed", "channel_disabled")
