"""What EMQX does, as its documentation and source say: it asks about each connection and topic, and can be managed.

The management API is a real HTTP server on a free port with the answers of EMQX 5.8; clients connect by a method. EMQX
itself has not been run against identity.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

API_KEY, API_SECRET = "identity", "a secret of the management API"
BROKER_SECRET = "what only our broker knows, really"
Acl = list[dict[str, Any]]


def covers(topic_filter: str, topic: str) -> bool:
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


def real_topic(topic: str) -> str:
    """Return what EMQX checks and asks about: of a shared subscription the filter behind the group."""
    return topic.split("/", 2)[2] if topic.startswith("$share/") else topic


@dataclass
class EmqxPeer:
    """One broker: who is connected with which rules, who is banned; `is_down` answers nothing of the API."""

    url: str = ""
    http: httpx.AsyncClient | None = None
    secret: str | None = BROKER_SECRET
    sessions: dict[str, tuple[str, Acl]] = field(default_factory=dict)
    banned: dict[str, datetime] = field(default_factory=dict)
    kicked: list[str] = field(default_factory=list)
    is_down: bool = False
    on_kick: Callable[[str], Awaitable[None]] | None = None

    async def ask(self, path: str, body: Any) -> tuple[str, Acl]:
        """Ask identity as the HTTP authenticator (`authenticate`) or authorizer (`authorize`) does."""
        assert self.http is not None
        headers = {"content-type": "application/json"}
        if self.secret is not None:
            headers["x-broker-secret"] = self.secret
        content = {"json": body} if isinstance(body, dict) else {"content": body}
        answer = await self.http.post(f"/internal/emqx/{path}", headers=headers, **content)
        if answer.status_code != 200 or answer.headers["content-type"] != "application/json":
            return "ignore", []
        said = answer.json()
        assert said["result"] in {"allow", "deny", "ignore"}
        assert said.get("is_superuser", False) is False
        for rule in said.get("acl", []):
            assert rule["permission"] in {"allow", "deny"}
            assert rule["action"] in {"publish", "subscribe", "all"}
        return said["result"], said.get("acl", [])

    async def question(self, client_id: str, username: str, password: str) -> tuple[str, Acl]:
        """Ask who may connect."""
        return await self.ask("authenticate", {"clientid": client_id, "username": username, "password": password})

    async def connect(self, client_id: str, password: str, username: str | None = None) -> bool:
        """Connect as EMQX lets one: a ban first, then the question, then the session."""
        if client_id in self.banned and self.banned[client_id] > datetime.now(UTC):
            return False
        result, acl = await self.question(client_id, client_id if username is None else username, password)
        if result == "allow":
            self.sessions[client_id] = (client_id if username is None else username, acl)
        return result == "allow"

    async def may(self, client_id: str, action: str, topic: str) -> bool:
        """Whether a connected client may; by the rules that came with its connection and by asking, which must agree."""
        username, acl = self.sessions[client_id]
        topic = real_topic(topic)
        by_rules = next(
            rule["permission"] == "allow"
            for rule in acl
            if rule["action"] in {action, "all"} and covers(rule["topic"], topic)
        )
        body = {"clientid": client_id, "username": username, "peerhost": "192.0.2.7", "action": action, "topic": topic}
        result, _ = await self.ask("authorize", body)
        assert result == ("allow" if by_rules else "deny"), (client_id, action, topic)
        return by_rules

    async def clients(self, request: Request) -> Response:
        return self._refusal(request) or JSONResponse({"data": [], "meta": {"count": len(self.sessions)}})

    async def kick(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        name = request.path_params["name"]
        self.kicked.append(name)
        found = self.sessions.pop(name, None)
        if self.on_kick is not None:
            await self.on_kick(name)
        if found is None:
            return JSONResponse({"code": "CLIENTID_NOT_FOUND"}, status_code=404)
        return Response(status_code=204)

    async def ban(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        body = await request.json()
        until = datetime.fromisoformat(body["until"])
        if body["as"] != "clientid" or until <= datetime.now(UTC):
            return JSONResponse({"code": "BAD_REQUEST"}, status_code=400)
        if self.banned.get(body["who"], until) > datetime.now(UTC) and body["who"] in self.banned:
            return JSONResponse({"code": "ALREADY_EXISTS"}, status_code=400)
        self.banned[body["who"]] = until
        return JSONResponse(body)

    async def lift(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        if self.banned.pop(request.path_params["name"], None) is None:
            return JSONResponse({"code": "NOT_FOUND"}, status_code=404)
        return Response(status_code=204)

    def _refusal(self, request: Request) -> Response | None:
        if self.is_down:
            return Response(status_code=503)
        wanted = httpx.BasicAuth(API_KEY, API_SECRET)._auth_header
        return None if request.headers.get("authorization") == wanted else Response(status_code=401)


@contextlib.asynccontextmanager
async def serving_emqx() -> AsyncIterator[EmqxPeer]:
    """Run a broker's management API on a free port."""
    peer = EmqxPeer()
    routes = [
        Route("/api/v5/clients", peer.clients),
        Route("/api/v5/clients/{name}", peer.kick, methods=["DELETE"]),
        Route("/api/v5/banned", peer.ban, methods=["POST"]),
        Route("/api/v5/banned/clientid/{name}", peer.lift, methods=["DELETE"]),
    ]
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off", ws="none")
    )
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:
            await asyncio.sleep(0.01)
    peer.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.should_exit = True
        await task
