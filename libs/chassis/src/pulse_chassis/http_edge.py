"""What happens to every HTTP request before and after a route: id, headers, metrics, its trace, the last resort.

Two plain ASGI layers. Guaranteed for each answer, a 500 included: `X-Request-ID` (the caller's if it is well-formed),
the security headers, a problem document for errors, one line in the metrics. WebSockets pass with an id and nothing
else.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_chassis.logging import get_logger
from pulse_chassis.metrics import LATENCY_BUCKETS
from pulse_chassis.problems import internal_problem
from pulse_chassis.request_origin import RequestOrigin, request_origin
from pulse_chassis.tracing import TRACEPARENT, Span, Tracing, traced_request

REQUEST_ID_HEADER: Final = "X-Request-ID"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_log = get_logger("http")

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
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

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics, tracing: Tracing | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID_HEADER, "")
        request_id = given if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        client = scope.get("client")
        origin = RequestOrigin(client[0] if client else None, request_id)
        with structlog.contextvars.bound_contextvars(correlation_id=request_id), request_origin(origin):
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            elif self._tracing is None or scope["path"] in _PROBES:
                await self._answer(scope, receive, send, request_id)
            else:
                with traced_request(self._tracing, headers.get(TRACEPARENT)) as span:
                    await self._answer_traced(scope, receive, send, request_id, span)

    async def _answer_traced(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, span: Span | None
    ) -> None:
        if span is None:
            await self._answer(scope, receive, send, request_id)
            return
        status = 0
        try:
            with structlog.contextvars.bound_contextvars(trace_id=span.trace_id):
                status = await self._answer(scope, receive, send, request_id)
        finally:
            route = _route(scope)
            span.rename(f"{_method(scope)} {route}")
            span.note(
                {
                    "http.request.method": _method(scope),
                    "http.route": route,
                    "http.response.status_code": status,
                    "pulse.correlation_id": request_id,
                }
            )
            if status >= 500 or not status:
                span.fail(f"answered {status}" if status else "no answer")
            span.end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> int:
        """Answer; return the status."""
        started = time.perf_counter()
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, scope, request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(_method(scope), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
        return status


class LastResort:
    """The layer that turns whatever nobody foresaw into a 500, inside of the one that says who may read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a socket."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            # The boundary: whatever a route did not foresee becomes a 500 here, and the process lives on.
            _log.exception("request_failed", method=scope["method"], route=_route(scope))
            if has_begun:
                raise
            await internal_problem()(scope, receive, send)


def _dress(message: Message, scope: Scope, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    headers[REQUEST_ID_HEADER] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if scope.get("scheme") == "https":
        headers.setdefault("Strict-Transport-Security", HSTS)


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else "(none)"


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in _METHODS else "(other)"


_PROBES: Final = frozenset({"/health", "/readyz", "/metrics"})
"""What machines ask every few seconds: no trace is worth it."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
