"""`GET /ws/live`: the handshake, and the transport of a socket. A plain ASGI layer outside of the app's routes.

Outside, because nothing of a framework is needed between a frame and the line, and because the line itself must be
reached: a client that never reads keeps a closed connection open until somebody drops it.
Guaranteed: no token in a query string is ever accepted (HTTP 400: addresses end up in logs); an Origin that is neither
the gateway's own nor allowed is refused; whatever happens to one socket stays with it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pulse_chassis.logging import get_logger
from pulse_chassis.problems import make_problem
from pulse_chassis.request_origin import RequestOrigin, request_origin
from pulse_contracts.frames import SUBPROTOCOL, CloseCode
from pulse_contracts.problem import PROBLEM_MEDIA_TYPE
from pulse_gateway.domain.refusal import Farewell
from pulse_gateway.use_cases.desk import Desk
from pulse_gateway.use_cases.live_socket import LiveSocket

PATH: Final = "/ws/live"
SECRET_PARAMETERS: Final = frozenset({"token", "secret", "access_token", "api_key"})
_log = get_logger("door")


class LiveDoor:
    """Takes the sockets and passes everything else on."""

    def __init__(self, app: ASGIApp, *, desk: Desk, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._desk = desk
        self._allowed = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket at the path, or pass on."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif scope["path"] != PATH:
            await _reject(send, 404, "not_found", "there is no socket at this path")
        elif _has_secret(scope):
            await _reject(send, 400, "secret_in_query", "a token or secret must not be in the address; send `auth`")
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = list(scope.get("subprotocols", ()))
        # A browser hides every other answer from its page: only an accepted socket can say why it is closed. So what
        # was offered is accepted, and ended at once with the reason.
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else (offered[0] if offered else None)
        conn = secrets.token_hex(8)
        client = scope.get("client")
        origin = RequestOrigin(client[0] if client else None, conn)
        with structlog.contextvars.bound_contextvars(correlation_id=conn), request_origin(origin):
            message = await receive()
            if message["type"] != "websocket.connect":
                return
            with suppress(OSError):  # gone before it was answered: the first read says so
                await send({"type": "websocket.accept", "subprotocol": chosen})
            await self._converse(scope, receive, send, conn)

    async def _converse(self, scope: Scope, receive: Receive, send: Send, conn: str) -> None:
        line = _Line(send)
        socket = LiveSocket(self._desk, conn, line.abort)
        farewell = self._desk.sockets.admit(socket)
        writing = asyncio.create_task(_write(socket, line), name=f"socket:{conn}")
        try:
            if farewell is None:
                farewell = self._objection(scope)
            if farewell is None:
                socket.greet()
            else:
                socket.close(farewell)
            await _read(socket, receive)
        finally:
            socket.dispose()
            self._desk.sockets.remove(socket)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            line.release()

    def _objection(self, scope: Scope) -> Farewell | None:
        if self._desk.is_draining:
            return self._desk.restarting()
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            return Farewell(CloseCode.VERSION, f"this server speaks {SUBPROTOCOL}")
        if not self._is_welcome(Headers(scope=scope), scope):
            return Farewell(CloseCode.FORBIDDEN, "this origin is not allowed")
        return None

    def _is_welcome(self, headers: Headers, scope: Scope) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return True  # Not a browser: nothing that could be made to call on somebody's behalf.
        origin = origin.rstrip("/").lower()
        if origin in self._allowed:
            return True
        parts = urlsplit(origin)
        own = "https" if scope.get("scheme") == "wss" else "http"
        return parts.scheme == own and parts.netloc != "" and parts.netloc == headers.get("host", "").lower()


class _Line:
    """The transport below a socket."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})

    def abort(self) -> None:
        """Drop the line: what is still buffered will never be read."""
        transport = self._transport()
        if transport is not None:
            transport.abort()

    def release(self) -> None:
        """Drop the line if something is still buffered a while after the end: nobody reads it."""
        transport = self._transport()
        if transport is not None and transport.get_write_buffer_size() > 0:
            asyncio.get_running_loop().call_later(1.0, transport.abort)

    def _transport(self) -> asyncio.WriteTransport | None:
        # ASGI has no word for dropping a line; uvicorn's protocol object, whose method `send` is, holds the transport.
        transport: asyncio.WriteTransport | None = getattr(getattr(self._send, "__self__", None), "transport", None)
        return transport


async def _write(socket: LiveSocket, line: _Line) -> None:
    try:
        farewell = await socket.outbox.run(line.send_text)
        await line.close(int(farewell.code), farewell.reason)
    except (OSError, RuntimeError) as error:
        # The peer is gone, or the transport ended the socket by itself (a frame too large, a ping without an answer).
        _log.debug("socket_write_ended", reason=type(error).__name__)
        line.abort()


async def _read(socket: LiveSocket, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        if socket.outbox.farewell is not None:
            continue
        text = message.get("text")
        if text is None:
            socket.close(Farewell(CloseCode.PROTOCOL, "frames are text"))
        else:
            await socket.handle(text)


def _has_secret(scope: Scope) -> bool:
    query = scope.get("query_string", b"").decode("latin-1")
    return any(name.lower() in SECRET_PARAMETERS for name, _ in parse_qsl(query, keep_blank_values=True))


async def _reject(send: Send, status: int, code: str, detail: str) -> None:
    problem = make_problem(status, code, detail)
    body = problem.model_dump_json(exclude_none=True).encode()
    headers = [(b"content-type", PROBLEM_MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
