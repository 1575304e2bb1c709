"""EMQX's HTTP authorizer, replayed: what it sends for each publish and subscription, and how it reads the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from emqx_peer import BROKER_SECRET, EmqxPeer

from pulse_chassis.errors import UnavailableError

OWN = {
    "publish": (
        "telemetry/edge-1/live",
        "telemetry/edge-1/buffer",
        "heartbeat/edge-1",
        "devices/edge-1/data",
        "app/device/edge-1/telemetry",
        "command/edge-1/status",
        "sync/edge-1/up",
    ),
    "subscribe": (
        "ack/edge-1",
        "command/edge-1",
        "sync/edge-1/down",
        "alert/edge-1",
        "sync/users/update",
        "sync/+/update",
    ),
}


@dataclass
class Asking:
    """An EMQX that asks about topics."""

    peer: EmqxPeer

    async def ask(self, body: Any) -> str:
        result, _ = await self.peer.ask("authorize", body)
        return result

    async def may(self, action: str, topic: str, client_id: str = "edge-1", username: str | None = None) -> str:
        return await self.ask(
            {
                "clientid": client_id,
                "username": client_id if username is None else username,
                "peerhost": "192.0.2.7",
                "action": action,
                "topic": topic,
            }
        )


@pytest.fixture
def identity_settings(emqx_settings):
    return emqx_settings


@pytest.fixture
async def emqx(service, admin):
    for name in ("edge-1", "edge-2"):
        await admin.call("POST", "/api/devices", {"id": name}, status=201)
    return Asking(EmqxPeer(http=service.http))


async def test_a_device_may_use_its_own_topics_and_only_in_their_direction(emqx):
    for action, other in (("publish", "subscribe"), ("subscribe", "publish")):
        for topic in OWN[action]:
            assert await emqx.may(action, topic) == "allow", topic
            assert await emqx.may(other, topic) == "deny", topic
            if "edge-1" in topic:
                assert await emqx.may(action, topic, "edge-2") == "deny", topic


@pytest.mark.parametrize(
    "topic",
    ["#", "+/#", "ack/+", "ack/#", "+/edge-1", "sync/#", "sync/+/+", "$SYS/#", "$SYS/brokers", "$share/g/ack/edge-2",
     "telemetry/+/live", "telemetry/edge-2/live", "ack/edge-1/x", "/ack/edge-1", "", "/", "x" * 70_000, "ack/edge-1\x00"],
)  # fmt: skip
async def test_nothing_wider_and_nobody_elses(emqx, topic):
    assert [await emqx.may(action, topic) for action in ("publish", "subscribe")] == ["deny", "deny"]


async def test_who_is_not_an_enabled_device_is_denied_and_never_ignored(emqx, admin):
    await admin.call("POST", "/api/devices/edge-2/disable", status=200)
    assert await emqx.may("publish", "telemetry/edge-2/live", "edge-2") == "deny"
    await admin.call("POST", "/api/devices/edge-2/enable", status=200)
    assert await emqx.may("publish", "telemetry/edge-2/live", "edge-2") == "allow"
    await admin.call("DELETE", "/api/devices/edge-2", status=204)
    assert await emqx.may("publish", "telemetry/edge-2/live", "edge-2") == "deny"
    assert await emqx.may("publish", "telemetry/svc-ingest/live", "svc-ingest") == "deny"
    assert await emqx.may("publish", "telemetry/edge-1/live", "another", "edge-1") == "deny"
    assert await emqx.may("publish", "telemetry/edge-1/live", "edge-1", "another") == "deny"
    assert await emqx.may("all", "telemetry/edge-1/live") == "deny"
    for body in (
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        {"clientid": 1},
        {"username": "edge-1", "clientid": "edge-1"},
    ):
        assert await emqx.ask(body) == "deny", body


async def test_only_our_broker_is_told(emqx):
    for secret in (None, "", "wrong", BROKER_SECRET + "x"):
        assert (
            await Asking(EmqxPeer(http=emqx.peer.http, secret=secret)).may("publish", "telemetry/edge-1/live") == "deny"
        )


async def test_without_the_database_nothing_is_allowed(emqx, service):
    class Away:
        async def is_active(self, device_id):
            raise UnavailableError("the database is away")

    emqx.peer.http._transport.app.state.use_cases.admit_to_broker._credentials = Away()
    assert await emqx.may("publish", "telemetry/edge-1/live") == "deny"
