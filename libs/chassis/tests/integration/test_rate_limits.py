"""How often one caller may call: counted in a real Valkey, by user or address, and nobody is refused without it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from structlog.testing import capture_logs

from pulse_chassis.bearer import (
    Authority,
    Principal,
    authenticated,
    generate_signing_key,
    issue_access_token,
    public,
    public_jwk,
)
from pulse_chassis.clock import ManualClock
from pulse_chassis.edge_policy import Rate, RateClass, parse_rates
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.rate_limits import AGAIN_SECONDS, RateLimiter
from pulse_chassis.route_bounds import not_rate_limited, rate_limited
from pulse_chassis.serve import http_worker
from pulse_chassis.streams import connect_redis
from pulse_contracts.problem import Problem

KEY = generate_signing_key("k")
# So slow to refill that nothing comes back while a test runs.
RATES = {
    RateClass.READ: Rate(5, 3600),
    RateClass.WRITE: Rate(3, 3600),
    RateClass.CREDENTIALS: Rate(2, 3600),
    RateClass.TELEMETRY: Rate(1, 3600),
}


async def _keys() -> dict[str, Any]:
    return {"keys": [public_jwk(KEY)]}


def _bearer(user_id: UUID) -> dict[str, str]:
    token = issue_access_token(
        KEY, user_id=user_id, username="anna", roles=[], permissions=[], session_id=uuid4(), now=datetime.now(UTC)
    )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def redis(valkey_database: str) -> AsyncIterator[Redis]:
    made = connect_redis(valkey_database)
    yield made
    await made.aclose()


def _app(limiter: RateLimiter | None) -> FastAPI:
    app = create_app(
        service="things",
        title="Things",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=Authority(_keys),
        edge=Edge(limiter=limiter),
    )
    router = APIRouter(prefix="/api")

    @router.get("/things", dependencies=[Depends(public("a test"))])
    async def list_things() -> list[str]:
        return []

    @router.post("/things")
    async def add_thing(who: Annotated[Principal, Depends(authenticated())]) -> str:
        return who.username

    @router.post("/login", dependencies=[Depends(public("a test")), Depends(rate_limited(RateClass.CREDENTIALS))])
    async def log_in() -> str:
        return "in"

    @router.get("/free", dependencies=[Depends(public("a test")), Depends(not_rate_limited("a test"))])
    async def free() -> str:
        return "free"

    app.include_router(router)
    return app


Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def connect(redis: Redis) -> AsyncIterator[Connect]:
    app = _app(RateLimiter(redis, "things", RATES))
    clients: list[httpx.AsyncClient] = []

    def made(address: str = "192.0.2.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(address, 1))
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://test"))
        return clients[-1]

    yield made
    for client in clients:
        await client.aclose()


async def _statuses(client: httpx.AsyncClient, count: int, method: str, path: str, **options: Any) -> list[int]:
    return [(await client.request(method, path, **options)).status_code for _ in range(count)]


async def test_who_calls_too_often_is_told_when_again(connect: Connect) -> None:
    client = connect()
    for left in (1, 0):
        answer = await client.post("/api/login")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"credentials";q=2;w=3600'
        assert answer.headers["ratelimit"].startswith(f'"credentials";r={left};t=')
    answer = await client.post("/api/login")
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, problem.code) == (429, "rate_limited")
    assert "credentials" in problem.detail
    assert 1700 < int(answer.headers["retry-after"]) <= 1800
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert 'route="/api/login",status="429"' in (await client.get("/metrics")).text


async def test_groups_and_callers_are_counted_apart(connect: Connect) -> None:
    client = connect()
    anna, ben = uuid4(), uuid4()
    assert await _statuses(client, 3, "POST", "/api/login") == [200, 200, 429]
    assert await _statuses(client, 6, "GET", "/api/things") == [200] * 5 + [429]
    assert await _statuses(client, 4, "POST", "/api/things", headers=_bearer(anna)) == [200] * 3 + [429]
    assert await _statuses(client, 1, "POST", "/api/things", headers=_bearer(ben)) == [200]
    # A user is one caller from wherever, an address that is not signed in is one for itself.
    assert await _statuses(connect("192.0.2.9"), 1, "POST", "/api/things", headers=_bearer(anna)) == [429]
    assert await _statuses(connect("192.0.2.9"), 1, "GET", "/api/things") == [200]
    assert await _statuses(client, 9, "GET", "/api/free") == [200] * 9


async def test_invented_credentials_and_neighbours_of_one_network_are_no_new_callers(connect: Connect) -> None:
    client = connect()
    for number in range(2):
        assert (await client.post("/api/login", headers={"Authorization": f"Bearer a.b.{number}"})).status_code == 200
    assert await _statuses(client, 1, "POST", "/api/login", headers={"X-API-Key": "ppk_invented"}) == [429]
    assert await _statuses(connect("2001:db8::1"), 2, "POST", "/api/login") == [200, 200]
    assert await _statuses(connect("2001:db8::2"), 1, "POST", "/api/login") == [429]


async def test_requests_come_back_evenly(redis: Redis) -> None:
    limiter = RateLimiter(redis, "things", {RateClass.READ: Rate(4, 2)})

    async def is_admitted() -> bool:
        verdict = await limiter.take(RateClass.READ, "somebody")
        return verdict is not None and verdict.is_admitted

    assert [await is_admitted() for _ in range(5)].count(True) >= 4
    async with asyncio.timeout(30):
        while not await is_admitted():
            await asyncio.sleep(0.05)


async def test_at_most_the_rate_passes_at_once_whatever_the_order(redis: Redis) -> None:
    limiter = RateLimiter(redis, "things", {RateClass.READ: Rate(7, 3600)})
    verdicts = await asyncio.gather(*(limiter.take(RateClass.READ, "somebody") for _ in range(40)))
    assert sum(verdict is not None and verdict.is_admitted for verdict in verdicts) == 7


async def test_without_redis_nobody_is_refused_and_it_is_said_once() -> None:
    clock = ManualClock(datetime.now(UTC))
    away = connect_redis("redis://127.0.0.1:1/0")
    app = _app(RateLimiter(away, "things", RATES, clock))
    with capture_logs() as logs:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert await _statuses(client, 5, "POST", "/api/login") == [200] * 5
            clock.advance(AGAIN_SECONDS)
            assert await _statuses(client, 2, "POST", "/api/login") == [200] * 2
    assert [entry["log_level"] for entry in logs if entry["event"] == "rate_limits_suspended"] == ["warning"]
    await away.aclose()


async def test_counting_resumes_when_redis_is_back(valkey_server: Any, redis: Redis) -> None:
    clock = ManualClock(datetime.now(UTC))
    limiter = RateLimiter(redis, "things", RATES, clock)
    valkey_server.stop()
    try:
        assert await limiter.take(RateClass.READ, "somebody") is None
    finally:
        valkey_server.start()
    with capture_logs() as logs:
        async with asyncio.timeout(30):
            while await limiter.take(RateClass.READ, "somebody") is None:
                clock.advance(AGAIN_SECONDS)
    assert [entry["event"] for entry in logs if entry["log_level"] == "info"] == ["rate_limits_resumed"]


def test_rates_are_read_from_text() -> None:
    assert parse_rates(" OFF ") is None
    rates = parse_rates("write=10/5, credentials=1/60")
    assert rates is not None
    assert (rates[RateClass.WRITE], rates[RateClass.CREDENTIALS]) == (Rate(10, 5), Rate(1, 60))
    assert rates[RateClass.READ] == Rate(1200, 60)
    for wrong in ("write", "write=0/5", "write=5", "others=1/1", "write=1/0"):
        with pytest.raises(ValueError, match="class=requests/seconds"):
            parse_rates(wrong)


@pytest.mark.parametrize(
    ("trusted", "statuses"), [("127.0.0.1", [200, 200, 429, 200]), ("192.0.2.1", [200, 200, 429, 429])]
)
async def test_behind_a_trusted_proxy_the_address_in_front_of_it_is_counted(
    redis: Redis, eventually: Callable[..., Awaitable[None]], trusted: str, statuses: list[int]
) -> None:
    app, stop = _app(RateLimiter(redis, "things", RATES)), asyncio.Event()
    with capture_logs() as logs:
        worker = http_worker(app, host="127.0.0.1", port=0, trusted_proxies=trusted)
        serving = asyncio.ensure_future(worker.run(stop))
        await eventually(lambda: any(entry["event"] == "http_listening" for entry in logs), 30.0)
    port = next(entry["port"] for entry in logs if entry["event"] == "http_listening")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        found = [
            (await client.post("/api/login", headers={"X-Forwarded-For": address})).status_code
            for address in ("198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.2")
        ]
    stop.set()
    await serving
    assert found == statuses
