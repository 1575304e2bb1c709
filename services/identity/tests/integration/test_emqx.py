"""EMQX's documented contract, replayed: what it sends, how it reads the answer, how it applies the rules in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pulse_chassis.errors import UnavailableError

SECRET = "what only our broker knows, really"
URL = "/internal/emqx/authenticate"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter covers a topic, or covers another filter (how EMQX checks a subscription)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in {"#", "+"}:
        return False
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(given) or given[place] == "#" or (part != "+" and part != given[place]):
            return False
    return len(wanted) == len(given)


@dataclass
class Emqx:
    """The part of EMQX that asks: authenticator `http`, then the client's rules, `no_match = deny`."""

    http: httpx.AsyncClient
    secret: str | None = SECRET

    async def ask(self, body: Any) -> tuple[str, list[dict[str, Any]]]:
        headers = [(b"content-type", b"application/json")]
        if self.secret is not None:
            headers.append((b"x-broker-secret", self.secret.encode()))
        answer = await self.http.post(
            URL, headers=headers, **({"json": body} if isinstance(body, dict) else {"content": body})
        )
        if answer.status_code not in {200, 204} or answer.headers["content-type"] != "application/json":
            return "ignore", []
        said = answer.json()
        assert said["result"] in {"allow", "deny", "ignore"}
        assert said["is_superuser"] is False
        for rule in said["acl"]:
            assert rule["permission"] in {"allow", "deny"}
            assert rule["action"] in {"publish", "subscribe", "all"}
        return said["result"], said["acl"]

    async def connect(self, client_id: str, username: str, password: str) -> tuple[str, list[dict[str, Any]]]:
        return await self.ask({"clientid": client_id, "username": username, "password": password})


def may(acl: list[dict[str, Any]], action: str, topic: str) -> bool:
    # EMQX checks a shared subscription by the filter behind `$share/<group>/`.
    topic = topic.split("/", 2)[2] if topic.startswith("$share/") else topic
    for rule in acl:
        if rule["action"] in {action, "all"} and matches(rule["topic"], topic):
            return rule["permission"] == "allow"
    pytest.fail(f"no rule decides about {action} {topic}")


@pytest.fixture
def identity_settings(identity_settings):
    return identity_settings.model_copy(update={"identity_emqx_secret": SecretStr(SECRET)})


@pytest.fixture
def emqx(service):
    return Emqx(service.http)


async def test_a_device_is_let_in_with_its_key_and_may_do_only_what_is_its_own(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    result, acl = await emqx.connect("edge-1", "edge-1", key)
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
        assert await emqx.connect(*question) == ("deny", []), question
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
        assert await emqx.ask(body) == ("deny", []), body


async def test_only_our_broker_is_told(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    for secret in (None, "", "wrong", SECRET[:-1], SECRET + "x", "é" * 30, "x" * 5000):
        stranger = Emqx(emqx.http, secret)
        assert await stranger.connect("edge-1", "edge-1", key) == ("deny", [])


async def test_a_disabled_or_deleted_device_is_denied_and_an_enabled_one_let_in_again(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    await admin.call("POST", "/api/devices/edge-1/disable", status=200)
    assert (await emqx.connect("edge-1", "edge-1", key))[0] == "deny"
    await admin.call("POST", "/api/devices/edge-1/enable", status=200)
    assert (await emqx.connect("edge-1", "edge-1", key))[0] == "allow"


async def test_both_keys_are_good_during_a_rotations_overlap(emqx, admin):
    old = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]
    new = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {"overlap_seconds": 60}, status=200))["api_key"]
    assert [(await emqx.connect("edge-1", "edge-1", key))[0] for key in (old, new)] == ["allow", "allow"]
    newest = (await admin.call("POST", "/api/devices/edge-1/rotate-key", {}, status=200))["api_key"]
    assert [(await emqx.connect("edge-1", "edge-1", key))[0] for key in (old, new, newest)] == ["deny", "deny", "allow"]


async def test_without_its_database_nobody_is_let_in(emqx, admin):
    key = (await admin.call("POST", "/api/devices", {"id": "edge-1"}, status=201))["api_key"]

    class Away:
        async def digests(self, device_id, prefix, now):
            raise UnavailableError("the database is away")

    use_cases = emqx.http._transport.app.state.use_cases
    use_cases.admit_to_broker._credentials = Away()
    assert await emqx.connect("edge-1", "edge-1", key) == ("deny", [])
