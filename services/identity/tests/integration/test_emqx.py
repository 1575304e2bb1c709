"""EMQX's documented contract, replayed: what it sends, how it reads the answer, how it applies the rules in it."""

from __future__ import annotations

from typing import Any

import pytest
from emqx_peer import BROKER_SECRET, EmqxPeer, covers, real_topic

from pulse_chassis.errors import UnavailableError


def may(acl: list[dict[str, Any]], action: str, topic: str) -> bool:
    topic = real_topic(topic)
    for rule in acl:
        if rule["action"] in {action, "all"} and covers(rule["topic"], topic):
            return rule["permission"] == "allow"
    pytest.fail(f"no rule decides about {action} {topic}")


@pytest.fixture
def identity_settings(emqx_settings):
    return emqx_settings


@pytest.fixture
def emqx(service):
    return EmqxPeer(http=service.http)


async def test_a_device_is_let_in_with_its_key_and_may_do_only_what_is_its_own(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    result, acl = await emqx.question("edge-1", "edge-1", key)
    assert result == "allow"
    for topic in ("telemetry/edge-1/live", "telemetry/edge-1/buffer", "heartbeat/edge-1", "devices/edge-1/data"):
        assert may(acl, "publish", topic), topic
        assert not may(acl, "publish", topic.replace("edge-1", "edge-2")), topic
        assert not may(acl, "subscribe", topic), topic
        assert not may(acl, "subscribe", "$share/ingest/" + topic.replace("edge-1", "+")), topic
    for topic in ("ack/edge-1", "command/edge-1", "sync/edge-1/down", "alert/edge-1"):
        assert may(acl, "subscribe", topic), topic
        assert not may(acl, "publish", topic), topic
        assert not may(acl, "subscribe", topic.replace("edge-1", "+")), topic
    assert may(acl, "subscribe", "sync/users/update")
    for topic in ("#", "+/#", "telemetry/#", "$SYS/#", "$SYS/brokers", "ack/#"):
        assert not may(acl, "subscribe", topic), topic
    assert acl[-1] == {"permission": "deny", "action": "all", "topic": "#"}


async def test_everything_else_is_denied_and_never_ignored(emqx, admin):
    one = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    await admin.call("POST", "/api/devices", {"id": "edge-2"}, status=201)
    wrong = [
        ("edge-1", "edge-1", ""),
        ("edge-1", "edge-1", one[:-1]),
        ("edge-1", "edge-1", one + "x"),
        ("edge-2", "edge-2", one),
        ("edge-2", "edge-1", one),
        ("edge-1", "edge-2", one),
        ("svc-ingest", "svc-ingest", "anything"),
        ("nobody", "nobody", one),
        ("", "", ""),
        ("a/#", "a/#", one),
        ("edge-1", "edge-1", "k" * 100_000),
        ("edge\x00", "edge\x00", "\x00"),
        ("edge-1", "edge-1", "\x00" * 20),
    ]
    for question in wrong:
        assert await emqx.question(*question) == ("deny", []), question
    bodies = [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"clientid": "edge-1", "username": "edge-1", "password": "\\ud800aaaaaaaaaaaaaaaaaaaa"}',
        {"clientid": 1, "username": None},
        {"username": "edge-1"},
    ]
    for body in bodies:
        assert await emqx.ask("authenticate", body) == ("deny", []), body


async def test_only_our_broker_is_told(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    for secret in (None, "", "wrong", BROKER_SECRET[:-1], BROKER_SECRET + "x", "x" * 5000):
        stranger = EmqxPeer(http=emqx.http, secret=secret)
        assert await stranger.question("edge-1", "edge-1", key) == ("deny", [])


async def test_a_disabled_or_deleted_device_is_denied_and_an_enabled_one_let_in_again(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    await admin.call("POST", "/api/devices/edge-1/disable", status=200)
    assert (await emqx.question("edge-1", "edge-1", key))[0] == "deny"
    await admin.call("POST", "/api/devices/edge-1/enable", status=200)
    assert (await emqx.question("edge-1", "edge-1", key))[0] == "allow"


async def test_both_keys_are_good_during_a_rotations_overlap(emqx, admin):
    old = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    new = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {"overlap_seconds": 60}, status=200))["api_key"]
    assert [(await emqx.question("edge-1", "edge-1", key))[0] for key in (old, new)] == ["allow", "allow"]
    newest = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {}, status=200))["api_key"]
    assert [(await emqx.question("edge-1", "edge-1", key))[0] for key in (old, new, newest)] == [
        "deny",
        "deny",
        "allow",
    ]


async def test_without_its_database_nobody_is_let_in(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]

    class Away:
        async def digests(self, device_id, prefix, now):
            raise UnavailableError("the database is away")

    use_cases = emqx.http._transport.app.state.use_cases
    use_cases.admit_to_broker._credentials = Away()
    assert await emqx.question("edge-1", "edge-1", key) == ("deny", [])
