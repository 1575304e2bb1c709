"""What happens to every HTTP request before and after a route: id, limits, headers, metrics, the last resort.

One plain ASGI layer outside of all others. Guaranteed for each answer, a 500 included: `X-Request-ID` (the caller's if
it is well-formed), the security headers, a problem document for errors, one line in the metrics. A body above the
bound is refused while it arrives, whatever its Content-Length said. WebSockets pass with an id and nothing else.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_chassis.logging import get_logger
from pulse_chassis.metrics import LATENCY_BUCKETS
from pulse_chassis.problems import internal_problem, make_problem, problem_response
from pulse_chassis.request_origin import RequestOrigin, request_origin

REQUEST_ID_HEADER: Final = "X-Request-ID"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_log = get_logger("http")

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""For an API. A route that serves pages or files sets its own values, which are then left alone."""
HSTS: Final = "max-age=31536000; includeSubDomains"


class HttpMetrics:
    """How many requests there were, and how long they took, by route template (never by path: ids are endless)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "http_requests", "HTTP requests answered", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "http_request_seconds",
            "Seconds from request to end of answer",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )


class HttpEdge:
    """The outermost layer of an app."""

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics, max_body_bytes: int) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        client = scope.get("client")
        origin = RequestOrigin(client[0] if client else None, request_id)
        with structlog.contextvars.bound_contextvars(correlation_id=request_id), request_origin(origin):
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, scope, request_id)
            await send(message)

        try:
            if _declared_length(scope) > self._max_body_bytes:
                await self._too_large(scope, receive, send_dressed)
            else:
                await self._app(scope, self._bounded(receive), send_dressed)
        except Exception:
            # The boundary: whatever a route did not foresee becomes a 500 here, and the process lives on.
            _log.exception("request_failed", method=scope["method"], route=_route(scope))
            if status:
                raise
            await internal_problem()(scope, receive, send_dressed)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(_method(scope), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)

    def _bounded(self, receive: Receive) -> Receive:
        taken = 0

        async def receive_bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise HTTPException(413, detail=self._limit_text())
            return message

        return receive_bounded

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = make_problem(413, "too_large", self._limit_text())
        await problem_response(problem, {"Connection": "close"})(scope, receive, send)

    def _limit_text(self) -> str:
        return f"the body is larger than {self._max_body_bytes} bytes"


def _dress(message: Message, scope: Scope, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    headers[REQUEST_ID_HEADER] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if scope.get("scheme") == "https":
        headers.setdefault("Strict-Transport-Security", HSTS)


def _declared_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else "(none)"


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in _METHODS else "(other)"


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
