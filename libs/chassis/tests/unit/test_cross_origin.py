"""Other origins: what a listed one may do, and that an unlisted one reads nothing and is told so."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Depends, FastAPI, Response
from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import public
from pulse_chassis.edge_policy import parse_origins
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app

OURS = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization, content-type, if-match, idempotency-key, x-request-id",
}


@pytest.fixture
def app() -> FastAPI:
    made = create_app(
        service="things",
        title="Things",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
        max_body_bytes=100,
        edge=Edge(origins=parse_origins(f"{OURS}/, http://localhost:5173")),
    )

    @made.get("/thing", dependencies=[Depends(public("a test"))])
    async def read_thing(response: Response) -> str:
        response.headers["ETag"] = '"1"'
        return "thing"

    @made.post("/thing", dependencies=[Depends(public("a test"))])
    async def break_thing(body: dict[str, int]) -> str:
        raise ValueError(body)

    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def _cors_headers(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


async def test_a_listed_origin_may_ask_with_credentials_and_read_what_it_needs(client: httpx.AsyncClient) -> None:
    asked = await client.options("/thing", headers={"Origin": OURS, **PREFLIGHT})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == OURS
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert asked.headers["x-request-id"]
    assert "PATCH" in asked.headers["access-control-allow-methods"]
    answer = await client.get("/thing", headers={"Origin": OURS})
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"ETag", "Retry-After", "Location", "X-Request-ID"} <= exposed


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]
)
async def test_an_unlisted_origin_reads_nothing_and_is_told_so(client: httpx.AsyncClient, origin: str) -> None:
    asked = await client.options("/thing", headers={"Origin": origin, **PREFLIGHT})
    assert (asked.status_code, asked.json()["code"]) == (400, "cross_origin")
    assert "origin" in asked.json()["detail"]
    assert _cors_headers(asked) == set()
    answer = await client.get("/thing", headers={"Origin": origin})
    assert _cors_headers(answer) == set()
    assert answer.headers["vary"] == "Origin"


async def test_a_listed_origin_can_read_refusals_and_failures_too(client: httpx.AsyncClient) -> None:
    for answer, status in (
        (await client.post("/thing", json={"a": 1}, headers={"Origin": OURS}), 500),
        (await client.post("/thing", json={"a": "x" * 200}, headers={"Origin": OURS}), 413),
        (await client.get("/nothing", headers={"Origin": OURS}), 404),
    ):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, OURS)


async def test_what_is_not_allowed_in_a_preflight_is_named(client: httpx.AsyncClient) -> None:
    method = await client.options("/thing", headers={"Origin": OURS, "Access-Control-Request-Method": "TRACE"})
    assert "method" in method.json()["detail"]
    named = await client.options(
        "/thing",
        headers={
            "Origin": OURS,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-forwarded-host",
        },
    )
    assert (named.status_code, "headers" in named.json()["detail"]) == (400, True)


async def test_without_a_list_there_are_no_other_origins() -> None:
    alone = create_app(
        service="things",
        title="T",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(alone), base_url="http://test") as client:
        asked = await client.options("/health", headers={"Origin": OURS, **PREFLIGHT})
        assert (asked.status_code, _cors_headers(asked)) == (400, set())
        assert _cors_headers(await client.get("/health", headers={"Origin": OURS})) == set()
