"""Bounds of bodies by route, over a real socket: for declared and for endless bodies, and told in the document."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from pulse_chassis.bearer import public
from pulse_chassis.edge_policy import RateClass
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import create_app
from pulse_chassis.route_bounds import RouteTable, body_bound, not_rate_limited, rate_limited
from pulse_chassis.serve import http_worker

KIB = 1024


def make_app() -> FastAPI:
    app = create_app(
        service="things",
        title="Things",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
        max_body_bytes=64 * KIB,
    )
    router = APIRouter(
        prefix="/api/things", dependencies=[Depends(public("a test")), Depends(rate_limited(RateClass.CREDENTIALS))]
    )

    @router.post("/import", dependencies=[Depends(body_bound(512 * KIB)), Depends(not_rate_limited("a test"))])
    async def take_many(request: Request) -> int:
        return len(await request.body())

    @router.post("/{thing}/note", dependencies=[Depends(body_bound(10))])
    async def take_note(thing: str, request: Request) -> int:
        return len(await request.body())

    @router.post("/{thing}")
    async def take(thing: str, body: dict[str, str]) -> int:
        return len(body)

    app.include_router(router)
    return app


@pytest.fixture
async def port(eventually: Callable[..., Awaitable[None]]) -> AsyncIterator[int]:
    stop = asyncio.Event()
    with capture_logs() as logs:
        serving = asyncio.ensure_future(http_worker(make_app(), host="127.0.0.1", port=0).run(stop))
        await eventually(lambda: any(entry["event"] == "http_listening" for entry in logs), 30.0)
    yield next(entry["port"] for entry in logs if entry["event"] == "http_listening")
    stop.set()
    await serving


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as made:
        yield made


async def _pieces(total: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    for _ in range(total // KIB):
        if sent is not None:
            sent.append(KIB)
        yield b"x" * KIB


@pytest.mark.parametrize(
    ("path", "bound"),
    [
        ("/api/things/import", 512 * KIB),
        ("/api/things/1/note", 10),
        ("/api/things/1", 64 * KIB),
        ("/nowhere", 64 * KIB),
    ],
)
async def test_a_body_above_its_routes_bound_is_413_with_the_bound_named(
    client: httpx.AsyncClient, path: str, bound: int
) -> None:
    declared = await client.post(path, content=b"x" * (bound + 1))
    streamed = await client.post(path, content=_pieces(bound + 4 * KIB))
    for answer in (declared, streamed) if path != "/nowhere" else (declared,):
        assert answer.status_code == 413, answer.text
        assert answer.json()["code"] == "too_large"
        assert f"{bound} bytes" in answer.json()["detail"]
        assert answer.headers["connection"] == "close"


async def test_a_body_at_the_bound_is_taken(client: httpx.AsyncClient) -> None:
    for content in (b"x" * (512 * KIB), _pieces(512 * KIB)):
        assert (await client.post("/api/things/import", content=content)).json() == 512 * KIB


async def test_an_endless_body_is_answered_and_its_connection_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/things/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async def send_for_ever() -> None:
        while True:
            writer.write(chunk)
            await writer.drain()

    sending = asyncio.create_task(send_for_ever())
    async with asyncio.timeout(60):
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait({sending})  # It ends because the other side hangs up.
    assert b" 413 " in head.splitlines()[0]
    assert isinstance(sending.exception(), OSError)
    writer.close()


def test_a_route_is_found_with_the_bounds_that_stand_nearest_to_it() -> None:
    table = RouteTable(make_app(), 64 * KIB)

    def found(method: str, path: str) -> tuple[RateClass | None, int]:
        bounds = table.find({"type": "http", "method": method, "path": path})
        return bounds.rate_class, bounds.max_body_bytes

    assert found("POST", "/api/things/import") == (None, 512 * KIB)
    assert found("POST", "/api/things/7/note") == (RateClass.CREDENTIALS, 10)
    assert found("GET", "/nowhere") == (RateClass.READ, 64 * KIB)
    assert found("DELETE", "/nowhere") == (RateClass.WRITE, 64 * KIB)
    assert found("GET", "/health") == (None, 64 * KIB)


def test_the_document_tells_the_bounds() -> None:
    paths = make_app().openapi()["paths"]
    assert f"{512 * KIB} bytes" not in str(paths["/api/things/{thing}"])
    assert f"{64 * KIB} bytes" in paths["/api/things/{thing}"]["post"]["responses"]["413"]["description"]
    note = paths["/api/things/{thing}/note"]["post"]
    assert note["x-rate-class"] == "credentials"
    assert "Retry-After" in note["responses"]["429"]["headers"]
    assert "429" not in paths["/api/things/import"]["post"]["responses"]
    assert "429" not in paths["/health"]["get"]["responses"]
