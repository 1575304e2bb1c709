"""Where a webhook really connects to, and whom it believes there."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pulse_alerts.domain.channel import Channel, ChannelKind, Manners, NoticeFilter, WebhookSecret
from pulse_alerts.domain.reachable import parse_networks
from pulse_alerts.domain.retrying import NotTaken, Outcome, Refused, Sent
from pulse_alerts.domain.webhook_signature import new_key
from pulse_alerts.messaging import posted_webhooks
from pulse_alerts.messaging.posted_webhooks import PostedWebhooks, webhook_client
from pulse_alerts.use_cases.notification_ports import Claimed
from pulse_chassis.clock import SystemClock
from pulse_contracts.alerts import AlertsWebhook

LOOPBACK = parse_networks("127.0.0.0/8, ::1/128")
NOW = dt.datetime.now(dt.UTC)


def certificate(directory: Path, *names: x509.GeneralName) -> Path:
    """A self-signed certificate for these names, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook receiver")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{uuid4().hex}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@asynccontextmanager
async def serving(answer: bytes, pem: Path | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives one answer to everything, and the heads that it was sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()

    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], heads
    server.close()


async def post(url: str, allowed=LOOPBACK, ca_file: Path | None = None) -> Outcome:
    channel = Channel(
        uuid4(), "hook", ChannelKind.WEBHOOK, True, NoticeFilter(), Manners(), "UTC", (), None, 1, NOW, NOW, None
    )
    claimed = Claimed(uuid4(), "test", channel, True, "", 1, NOW, NOW, None, uuid4())
    body = AlertsWebhook(type="test", at=0, channel="hook")
    async with webhook_client(ca_file) as client:
        return await PostedWebhooks(client, allowed, SystemClock()).tell(claimed, body, WebhookSecret(url, new_key()))


TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_the_certificate_has_to_be_the_names_and_not_the_addresses(tmp_path: Path) -> None:
    named = certificate(tmp_path, x509.DNSName("localhost"))
    other = certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("other.example"))
    async with serving(TAKEN, named) as (port, heads):
        assert await post(f"https://localhost:{port}/x", ca_file=named) == Sent()
        assert f"\r\nhost: localhost:{port}\r\n".encode() in heads[0].lower()
        untrusted = await post(f"https://localhost:{port}/x")
        assert isinstance(untrusted, NotTaken)
        assert (untrusted.reason, untrusted.is_doubtful) == ("unreachable", False)
    async with serving(TAKEN, other) as (port, heads):
        assert isinstance(await post(f"https://localhost:{port}/x", ca_file=other), NotTaken)
        assert heads == []


async def test_a_name_of_a_private_address_is_refused_before_anything_connects() -> None:
    async with serving(TAKEN) as (port, heads):
        refused = await post(f"https://localhost:{port}/x", allowed=())
        assert isinstance(refused, Refused)
        assert refused.reason == "address_refused"
        assert "/x" not in refused.detail
        assert heads == []


async def test_an_endless_answer_is_not_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n" + b"x" * 65_536
    async with serving(endless) as (port, _):
        assert await post(f"http://127.0.0.1:{port}/") == Sent()


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 60_000, b""])
async def test_an_answer_that_is_none_is_in_doubt(head: bytes) -> None:
    async with serving(head) as (port, _):
        outcome = await post(f"http://127.0.0.1:{port}/")
    assert isinstance(outcome, NotTaken)
    assert (outcome.reason, outcome.is_doubtful) == ("no_answer", True)


async def test_silence_ends_and_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posted_webhooks, "POST_SECONDS", 0.5)
    asked = asyncio.Queue[asyncio.StreamWriter]()
    server = await asyncio.start_server(lambda _, writer: asked.put_nowait(writer), "127.0.0.1", 0)
    outcome = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    (await asked.get()).close()
    server.close()
    assert isinstance(outcome, NotTaken)
    assert outcome.is_doubtful


async def test_nobody_there_and_no_such_name_are_no_doubt() -> None:
    async with serving(TAKEN) as (port, _):
        pass
    gone = await post(f"http://127.0.0.1:{port}/")
    nameless = await post("https://nobody.invalid/")
    assert [(one.reason, one.is_doubtful) for one in (gone, nameless)] == [
        ("unreachable", False),
        ("name_unknown", False),
    ]


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [("7", 7, 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("soon", None, None), ("9" * 30, 86_400, 86_400)],
)
async def test_how_long_to_wait_is_read_in_seconds_and_as_a_date(said: str, least, most) -> None:
    async with serving(f"HTTP/1.1 429 X\r\nretry-after: {said}\r\ncontent-length: 0\r\n\r\n".encode()) as (port, _):
        outcome = await post(f"http://127.0.0.1:{port}/")
    assert isinstance(outcome, NotTaken)
    assert outcome.reason == "http_429"
    pause = None if outcome.pause is None else outcome.pause.total_seconds()
    assert pause is None if least is None else least <= pause <= most
