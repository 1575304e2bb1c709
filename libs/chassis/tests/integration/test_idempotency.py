"""A POST that is sent again is answered again, and done once."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import Depends, Response
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from pulse_chassis import streams
from pulse_chassis.bearer import public
from pulse_chassis.errors import ConflictError, UnavailableError
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import create_app
from pulse_chassis.idempotency import KEPT_SECONDS, Idempotency

OPEN = [Depends(public("a test"))]


class Order(BaseModel):
    item: str


class Rot:
    """Seals visibly: no byte of what is kept is as it was."""

    def seal(self, plain: bytes) -> bytes:
        return bytes(byte ^ 0x5A for byte in plain)

    unseal = seal


class Shop:
    """Counts what is really done."""

    def __init__(self, redis) -> None:
        self.done: list[str] = []
        self.go = asyncio.Event()
        self.go.set()
        self.redis = redis
        self.app = create_app(
            service="shop",
            title="shop",
            version="1",
            health=HealthRegistry(),
            metrics_registry=CollectorRegistry(),
            authority=None,
            max_body_bytes=10_000,
            idempotency=Idempotency(redis, "shop", Rot(), None),
        )

        @self.app.post("/orders", status_code=201, dependencies=OPEN)
        async def order(body: Order, response: Response) -> dict[str, int]:
            self.done.append(body.item)
            await self.go.wait()
            if body.item == "gone":
                message = "sold out"
                raise ConflictError(message)
            if body.item == "later" and len(self.done) < 2:
                message = "not now"
                raise UnavailableError(message)
            if body.item == "bug" and len(self.done) < 2:
                raise RuntimeError
            response.headers["Location"] = "/orders/1"
            return {"number": len(self.done)}

        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shop.test")

    async def order(self, item: str = "lamp", key: str | None = "k-1", **headers: str) -> httpx.Response:
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.post("/orders", json={"item": item}, headers=headers)


@pytest.fixture
async def shop(valkey_server):
    redis = streams.connect_redis(valkey_server.new_database())
    shop = Shop(redis)
    yield shop
    await shop.http.aclose()
    await redis.aclose()


async def test_the_same_key_and_body_get_the_same_answer_and_nothing_is_done_twice(shop):
    first, second = await shop.order(), await shop.order()
    assert shop.done == ["lamp"]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["location"] == "/orders/1"
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_without_a_key_everything_is_done(shop):
    await shop.order(key=None)
    await shop.order(key=None)
    assert len(shop.done) == 2


async def test_another_body_under_the_same_key_is_refused(shop):
    await shop.order("lamp")
    refused = await shop.order("chair")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (refused.json()["field"], shop.done) == ("Idempotency-Key", ["lamp"])


async def test_a_request_under_way_is_not_started_again(shop):
    shop.go.clear()
    first = asyncio.create_task(shop.order())
    async with asyncio.timeout(5):
        while not shop.done:
            await asyncio.sleep(0.005)
    second = await shop.order()
    assert (second.status_code, second.json()["code"]) == (409, "idempotent_request_in_flight")
    assert second.headers["retry-after"] == "1"
    shop.go.set()
    assert (await first).status_code == 201
    assert (await shop.order()).headers["idempotency-replayed"] == "true"
    assert shop.done == ["lamp"]


async def test_of_twenty_at_once_one_is_done(shop):
    answers = await asyncio.gather(*(shop.order() for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert shop.done == ["lamp"]


async def test_a_refusal_is_repeated_but_an_outage_is_tried_again(shop):
    assert [(await shop.order("gone", "a")).status_code for _ in range(2)] == [409, 409]
    assert shop.done == ["gone"]
    shop.done.clear()
    assert [(await shop.order("later", "b")).status_code for _ in range(2)] == [503, 201]
    shop.done.clear()
    assert [(await shop.order("bug", "c")).status_code for _ in range(2)] == [500, 201]


async def test_callers_do_not_see_each_others_answers(shop):
    one = await shop.order(Authorization="Bearer ppk_one")
    two = await shop.order(Authorization="Bearer ppk_two")
    three = await shop.order(Cookie="pulse_refresh=x")
    assert len(shop.done) == 3
    assert not any("idempotency-replayed" in answer.headers for answer in (one, two, three))


@pytest.mark.parametrize("key", ["", "with space", "x" * 129])
async def test_a_key_that_is_none_is_refused(shop, key):
    refused = await shop.order(key=key)
    assert (refused.status_code, refused.json()["code"], shop.done) == (422, "bad_idempotency_key", [])


async def test_a_body_above_the_bound_is_refused_as_without_a_key(shop):
    refused = await shop.order("x" * 20_000)
    assert refused.status_code == 413

    async def endless():
        for _ in range(20):
            yield b"x" * 1000

    refused = await shop.http.post("/orders", content=endless(), headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


async def test_what_is_kept_is_sealed_named_by_digest_and_ends_after_a_day(shop):
    await shop.order("lamp", "my-secret-key")
    (name,) = await shop.redis.keys("*")
    stored = await shop.redis.get(name)
    assert b"my-secret-key" not in name + stored
    assert b"lamp" not in stored
    assert b"number" not in stored
    assert KEPT_SECONDS - 60 < await shop.redis.ttl(name) <= KEPT_SECONDS


async def test_without_redis_the_guarantee_is_refused_and_the_rest_goes_on():
    dead = streams.connect_redis("redis://127.0.0.1:1/0")
    shop = Shop(dead)
    refused = await shop.order()
    assert (refused.status_code, refused.json()["code"], shop.done) == (503, "idempotency_unavailable", [])
    assert (await shop.order(key=None)).status_code == 201
    await shop.http.aclose()
    await dead.aclose()
