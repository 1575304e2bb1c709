"""The layer that holds requests to their route's bounds: how often, and how large a body.

Guaranteed: 429 with `Retry-After` for a caller (the verified user of an access token, else the client address) who
calls a group of routes too often; 413 that names the bound for a body above it, whatever its Content-Length said,
before more than the bound was read. A refused body is read on for a moment and thrown away, so that the sender gets
the answer and not a broken connection; then the connection is closed.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_chassis.audit import note_refusal
from pulse_chassis.bearer import Authority
from pulse_chassis.client_address import address_group
from pulse_chassis.errors import PulseError
from pulse_chassis.problems import make_problem, problem_response
from pulse_chassis.rate_limits import RateLimiter, Verdict
from pulse_chassis.request_origin import note_principal
from pulse_chassis.route_bounds import RouteBounds, RouteTable
from pulse_chassis.turnstile import Turnstile, TurnstileFullError

DISCARD_BYTES: Final = 32 * 1024 * 1024
DISCARD_SECONDS: Final = 2.0
_BEARER: Final = "bearer "


class RequestBounds:
    """The layer. `limiter` None: nobody is counted."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        limiter: RateLimiter | None,
        authority: Authority | None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._app = app
        self._turnstile = turnstile
        self._max_body_bytes = max_body_bytes
        self._limiter = limiter
        self._authority = authority
        self._table: RouteTable | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a socket."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._table is None:
            self._table = RouteTable(scope["app"], self._max_body_bytes)
        bounds = self._table.find(scope)
        if self._turnstile is not None and bounds.takes_turns:
            await self._answer_in_turn(self._turnstile, scope, receive, send, bounds)
        else:
            await self._answer(scope, receive, send, bounds)

    async def _answer_in_turn(
        self, turnstile: Turnstile, scope: Scope, receive: Receive, send: Send, bounds: RouteBounds
    ) -> None:
        # Whoever sends a body slowly, or one that will be refused, must not stand in the way of those in line.
        ahead = _ReadAhead(receive)
        if _declared_length(scope) > bounds.max_body_bytes or not await ahead.fits(bounds.max_body_bytes):
            await self._answer(scope, ahead.receive, send, bounds)
            return
        try:
            async with turnstile.turn():
                await self._answer(scope, ahead.receive, send, bounds)
        except TurnstileFullError as error:
            _name_route(scope, bounds)
            problem = make_problem(error.status, error.code, error.message, retry_after=error.retry_after)
            await problem_response(problem)(scope, ahead.receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, bounds: RouteBounds) -> None:
        verdict = await self._count(scope, bounds)
        if verdict is not None:
            send = _telling(verdict, send)
        if verdict is not None and not verdict.is_admitted:
            await _refuse(scope, receive, send, bounds, verdict)
            return
        body = _Body(receive, send, bounds.max_body_bytes)
        if _declared_length(scope) > bounds.max_body_bytes:
            body.is_over = True
            _name_route(scope, bounds)
            problem = make_problem(413, "too_large", body.text)
            await problem_response(problem)(scope, body.receive, body.send)
        else:
            await self._app(scope, body.receive, body.send)

    async def _count(self, scope: Scope, bounds: RouteBounds) -> Verdict | None:
        if self._limiter is None or bounds.rate_class is None:
            return None
        return await self._limiter.take(bounds.rate_class, await self._caller(scope))

    async def _caller(self, scope: Scope) -> str:
        credentials = Headers(scope=scope).get("authorization", "")
        if self._authority is not None and credentials[: len(_BEARER)].lower() == _BEARER:
            with suppress(PulseError):  # Not one of ours, or not to be verified now: the address is counted.
                principal = await self._authority.verify(credentials[len(_BEARER) :].strip())
                return f"user:{note_principal(principal).user_id}"
        client = scope.get("client")
        return f"address:{address_group(client[0]) if client else 'unknown'}"


async def _refuse(scope: Scope, receive: Receive, send: Send, bounds: RouteBounds, verdict: Verdict) -> None:
    _name_route(scope, bounds)
    note_refusal(Request(scope), "rate_limited")
    message = f"too many requests of the kind {verdict.rate_class.value!r}; try again later"
    problem = make_problem(429, "rate_limited", message, retry_after=verdict.retry_after)
    await problem_response(problem)(scope, receive, send)


def _name_route(scope: Scope, bounds: RouteBounds) -> None:
    """Name the route for metrics and audit: the router will not see the request."""
    if bounds.route is not None:
        scope["route"] = bounds.route


def _telling(verdict: Verdict, send: Send) -> Send:
    """Return a `send` that says what the caller has left (draft-ietf-httpapi-ratelimit-headers)."""
    rate = verdict.rate

    async def send_telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = f'"{verdict.rate_class}";q={rate.requests};w={rate.seconds}'
            headers["RateLimit"] = f'"{verdict.rate_class}";r={verdict.remaining};t={math.ceil(verdict.full_after)}'
        await send(message)

    return send_telling


class _ReadAhead:
    """A request whose body is read before it is asked for."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: deque[Message] = deque()

    async def fits(self, max_bytes: int) -> bool:
        """Read the body; whether it is within the bound. What is above is not read."""
        taken, has_more = 0, True
        while has_more and taken <= max_bytes:
            message = await self._receive()
            self._read.append(message)
            taken += len(message.get("body", b""))
            has_more = message.get("more_body", False)
        return taken <= max_bytes

    async def receive(self) -> Message:
        """Return the next part, read or not yet."""
        return self._read.popleft() if self._read else await self._receive()


class _Body:
    """One request's body, bounded, and the answer to it."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._taken = 0
        self.is_over = False
        self.text = f"the body is larger than {max_bytes} bytes"

    async def receive(self) -> Message:
        """Return the next part; raises HTTPException 413 above the bound."""
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > self._max_bytes:
            self.is_over = True
            raise HTTPException(413, detail=self.text)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; before the last one of a refusal, read on for a moment."""
        if not self.is_over:
            await self._send(message)
            return
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(DISCARD_SECONDS):
                    await self._discard()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _discard(self) -> None:
        discarded = 0
        while discarded < DISCARD_BYTES:
            message = await self._receive()
            discarded += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return


def _declared_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0
