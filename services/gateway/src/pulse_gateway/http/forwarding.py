"""The one door: what another service owns is passed on to it, and its answer passed back, both as streams.

The owner authorises, counts and bounds; nothing is checked, changed or kept here but what belongs to one hop. Other
origins are this door's business alone: what an owner says about them is dropped. Guaranteed: a caller cannot forge
where a request came from, nor reach a path outside of the prefix; a body is never held in memory as a whole; a service
that is not there is named in a problem document (503 not configured, 502 not reachable, 504 no answer in time).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx
from fastapi import APIRouter, Depends, Request
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from pulse_chassis.bearer import public
from pulse_chassis.errors import NotFoundError, PulseError
from pulse_chassis.http_edge import REQUEST_ID_HEADER
from pulse_chassis.logging import current_correlation_id, get_logger
from pulse_chassis.route_bounds import body_bound, not_rate_limited
from pulse_chassis.tracing import TRACEPARENT, current_traceparent

PREFIXES: Final[Mapping[str, str]] = {
    "/api/auth": "identity",
    "/api/profile": "identity",
    "/api/users": "identity",
    "/api/roles": "identity",
    "/api/permissions": "identity",
    "/api/devices": "identity",
    "/api/audit": "identity",
    "/api/commands": "commands",
    "/api/retention": "ingest",
    "/api/storage": "ingest",
    "/api/config": "sync",
    "/api/sync": "sync",
    "/api/alerts": "alerts",
    "/api/alert-rules": "alerts",
    "/api/alert-channels": "alerts",
}
"""Prefix of a path → the service that owns it (gateway.md, REST)."""
EXACT: Final[Mapping[str, tuple[str, list[str]]]] = {"/api/telemetry": ("ingest", ["POST"])}
"""Paths of which only some methods belong to another service."""
SERVICES: Final = ("identity", "ingest", "commands", "sync", "alerts")
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
TIMEOUT: Final = httpx.Timeout(60.0, connect=2.0, pool=2.0)
MAX_CONNECTIONS: Final = 200
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Above what any owner takes: the owner's bound is the one that a caller meets. Bodies pass through piece by piece."""

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SET_HERE: Final = frozenset(
    {
        b"host",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-request-id",
        b"traceparent",
        b"tracestate",
    }
)
_log = get_logger("forwarding")

Headers = list[tuple[bytes, bytes]]


def forwarding_client() -> httpx.AsyncClient:
    """Return the client that speaks to the services: no proxy from the environment, no redirects, no cookies kept."""
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=32, keepalive_expiry=30.0)
    # A client keeps cookies by itself, and would send one caller's session with the requests of all others.
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(
        timeout=TIMEOUT, limits=limits, trust_env=False, follow_redirects=False, cookies=no_cookies
    )


def forwarding_router(client: httpx.AsyncClient, services: Mapping[str, str]) -> APIRouter:
    """Return the routes of all prefixes; `services` maps a service to its base URL, as far as it is configured."""
    router = APIRouter(
        include_in_schema=False,
        dependencies=[
            Depends(public("forwarded: the owner authorises")),
            Depends(not_rate_limited("forwarded: the owner counts")),
            Depends(body_bound(MAX_BODY_BYTES)),
        ],
    )
    forward = _Forwarder(client, services)

    def add(path: str, service: str, methods: list[str]) -> None:
        async def endpoint(request: Request) -> Response:
            return await forward(request, service)

        router.add_api_route(path, endpoint, methods=methods, response_model=None)

    for prefix, service in PREFIXES.items():
        add(prefix, service, METHODS)
        add(f"{prefix}/{{rest:path}}", service, METHODS)
    for path, (service, methods) in EXACT.items():
        add(path, service, methods)

    async def read_document(request: Request, service: str) -> Response:
        if service not in SERVICES:
            message = "there is no such service"
            raise NotFoundError(message, code="unknown_service")
        return await forward(request, service, b"/api/openapi.json")

    router.add_api_route("/api/openapi/{service}.json", read_document, methods=["GET"], response_model=None)
    return router


class _Forwarder:
    def __init__(self, client: httpx.AsyncClient, services: Mapping[str, str]) -> None:
        self._client = client
        self._services = {name: httpx.URL(url.rstrip("/")) for name, url in services.items()}

    async def __call__(self, request: Request, service: str, path: bytes | None = None) -> Response:
        base = self._services.get(service)
        if base is None:
            message = f"the service {service} is not part of this installation"
            raise PulseError("service_not_configured", message, 503)
        target = base.copy_with(raw_path=_target(request, path))
        outgoing = self._client.build_request(
            request.method, target, headers=_request_headers(request), content=_body(request)
        )
        try:
            answer = await self._client.send(outgoing, stream=True)
        except httpx.ConnectError as error:
            raise _unreachable(service) from error
        except httpx.PoolTimeout as error:
            message = f"too many requests to the service {service} are under way"
            raise PulseError("service_busy", message, 503, retry_after=1) from error
        except httpx.ConnectTimeout as error:
            raise _unreachable(service) from error
        except httpx.TimeoutException as error:
            message = f"the service {service} did not answer in time"
            raise PulseError("service_timeout", message, 504, retry_after=1) from error
        except httpx.HTTPError as error:
            message = f"the service {service} gave no proper answer"
            raise PulseError("bad_gateway", message, 502) from error
        except ClientDisconnect:
            return Response(status_code=400)
        response = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = [
            (name, value) for name, value in _end_to_end(answer.headers.raw) if not _is_about_origins(name, value)
        ]
        return response


def _target(request: Request, path: bytes | None) -> bytes:
    if path is not None:
        return path
    decoded: str = request.scope["path"]
    raw: bytes = request.scope.get("raw_path") or decoded.encode()
    segments = {*decoded.replace("\\", "/").split("/"), *raw.decode("latin-1").split("/")}
    if segments & {".", ".."}:
        # A URL library would resolve them, and lead out of the prefix.
        message = "there is nothing here"
        raise NotFoundError(message)
    query: bytes = request.scope["query_string"]
    return raw + b"?" + query if query else raw


def _request_headers(request: Request) -> Headers:
    headers = [(name, value) for name, value in _end_to_end(request.headers.raw) if name.lower() not in _SET_HERE]
    client = request.client.host if request.client is not None else "unknown"
    headers += [
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", request.url.scheme.encode()),
        (b"x-forwarded-host", request.headers.get("host", "").encode("latin-1")),
        (REQUEST_ID_HEADER.lower().encode(), (current_correlation_id() or "").encode()),
    ]
    if (traceparent := current_traceparent()) is not None:
        headers.append((TRACEPARENT.encode(), traceparent.encode()))
    return headers


def _body(request: Request) -> AsyncIterator[bytes] | None:
    has_body = "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
    return request.stream() if has_body else None


def _end_to_end(headers: Headers) -> Headers:
    """Drop what belongs to one hop: the known names, and those that `Connection` names."""
    named = {
        part.strip().lower() for name, value in headers if name.lower() == b"connection" for part in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _is_about_origins(name: bytes, value: bytes) -> bool:
    """Say whether a header is one that this door sets itself, for the list of origins that it has."""
    name = name.lower()
    return name.startswith(b"access-control-") or (name == b"vary" and value.lower() == b"origin")


def _unreachable(service: str) -> PulseError:
    return PulseError("service_unreachable", f"the service {service} cannot be reached", 502, retry_after=1)
