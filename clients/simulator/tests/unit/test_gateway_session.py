"""Signing in over REST, against a peer that answers HTTP as gateway.md and identity's schemas say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pulse_simulator.gateway_session import (
    GatewayRefusedError,
    GatewaySession,
    GatewayUnreachableError,
    is_loopback,
)

PASSWORD = "correct horse"


class Identity:
    """Logs in one user, rotates refresh tokens, and knows which access tokens are good."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[str] = []
        self.lifetime_s = 600
        self.good: set[str] = set()
        self.refresh_token = ""
        self.count = 0
        self.is_overloaded = False

    def answer(self, path: str, body: Any, token: str) -> tuple[int, Any]:
        self.calls.append(path)
        if self.is_overloaded:
            return 503, problem(503, "unavailable")
        match path:
            case "/api/auth/login":
                return self.tokens() if body["password"] == PASSWORD else (401, problem(401, "wrong_credentials"))
            case "/api/auth/refresh":
                is_good = body["refresh_token"] == self.refresh_token
                return self.tokens() if is_good else (401, problem(401, "refresh_reused"))
            case "/api/empty":
                return (204, None) if token in self.good else (401, problem(401, "unauthorized"))
            case _:
                return (200, {"token": token}) if token in self.good else (401, problem(401, "unauthorized"))

    def tokens(self) -> tuple[int, Any]:
        self.count += 1
        self.good.add(f"access-{self.count}")
        self.refresh_token = f"refresh-{self.count}"
        tokens = {"access_token": f"access-{self.count}", "refresh_token": self.refresh_token}
        return 200, tokens | {"expires_in": self.lifetime_s, "token_type": "Bearer"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                token = headers.get("authorization", "").removeprefix("Bearer ")
                status, content = self.answer(lines[0].split(" ")[1], json.loads(raw) if raw else None, token)
                body = b"" if content is None else json.dumps(content).encode()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def problem(status: int, code: str) -> dict[str, Any]:
    return {"type": "about:blank", "title": code, "status": status, "detail": f"it is {code}", "code": code}


@pytest.fixture
async def identity() -> AsyncIterator[Identity]:
    peer = Identity()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()


def session_of(identity: Identity, password: str = PASSWORD) -> GatewaySession:
    return GatewaySession(f"http://127.0.0.1:{identity.port}", "admin", password)


async def test_one_log_in_serves_many_requests(identity: Identity) -> None:
    async with session_of(identity) as session:
        answers = await asyncio.gather(*(session.request("GET", "/api/devices") for _ in range(5)))
        assert {answer["token"] for answer in answers} == {"access-1"}
        assert identity.calls.count("/api/auth/login") == 1
        assert await session.request("DELETE", "/api/empty") is None


async def test_a_token_that_ends_soon_is_refreshed_before_it_is_used(identity: Identity) -> None:
    identity.lifetime_s = 20
    async with session_of(identity) as session:
        assert await session.access_token() == "access-1"
        assert await session.access_token() == "access-2"
        assert identity.calls == ["/api/auth/login", "/api/auth/refresh"]


async def test_several_who_want_a_new_token_get_one_together(identity: Identity) -> None:
    async with session_of(identity) as session:
        await session.access_token()
        tokens = await asyncio.gather(*(session.access_token(renew=True) for _ in range(4)))
        assert set(tokens) == {"access-2"}


async def test_a_refused_refresh_falls_back_to_a_log_in(identity: Identity) -> None:
    async with session_of(identity) as session:
        await session.access_token()
        identity.refresh_token = "revoked"
        assert await session.access_token(renew=True) == "access-2"
        assert identity.calls == ["/api/auth/login", "/api/auth/refresh", "/api/auth/login"]


async def test_a_refused_token_is_renewed_once_and_then_told(identity: Identity) -> None:
    async with session_of(identity) as session:
        await session.access_token()
        identity.good.clear()
        assert (await session.request("GET", "/api/devices"))["token"] == "access-2"
        identity.tokens = lambda: (200, {"access_token": "bad", "expires_in": 600})  # type: ignore[method-assign]
        identity.good.clear()
        with pytest.raises(GatewayRefusedError) as refused:
            await session.request("GET", "/api/devices")
        assert (refused.value.status, refused.value.code) == (401, "unauthorized")


async def test_a_wrong_password_is_refused_and_an_absent_gateway_is_not(identity: Identity) -> None:
    async with session_of(identity, "wrong") as session:
        with pytest.raises(GatewayRefusedError, match="wrong_credentials"):
            await session.access_token()
    identity.is_overloaded = True
    async with session_of(identity) as session:
        with pytest.raises(GatewayUnreachableError):
            await session.access_token()
    async with GatewaySession("http://127.0.0.1:1", "admin", PASSWORD) as session:
        with pytest.raises(GatewayUnreachableError, match="cannot be reached"):
            await session.access_token()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("ws://localhost/x", True),
        ("http://pulse.example", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
