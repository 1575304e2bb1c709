"""A route that few are let in to at a time: whoever waits holds nothing up, and nobody holds the line up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import public
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import create_app
from pulse_chassis.route_bounds import body_bound, in_turn
from pulse_chassis.turnstile import Turnstile

BOUND = 16


@dataclass
class Door:
    """An app whose one route lets one in at a time, and one more wait."""

    http: httpx.AsyncClient
    entered: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def come(self, content: str | AsyncIterator[bytes]) -> httpx.Response:
        return await self.http.post("/door", content=content)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    app = create_app(
        service="things",
        title="Things",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
        turnstile=Turnstile(at_once=1, waiting=1),
    )

    @app.post("/door", dependencies=[Depends(public("a test")), Depends(in_turn()), Depends(body_bound(BOUND))])
    async def enter(request: Request) -> str:
        name = (await request.body()).decode()
        made.entered.append(name)
        await made.go.wait()
        return name

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        made = Door(http)
        yield made


async def _until(door: Door, *entered: str) -> None:
    async with asyncio.timeout(10):
        while door.entered != list(entered):
            await asyncio.sleep(0)


async def test_they_come_in_one_after_the_other_and_others_routes_are_not_held_up(door: Door) -> None:
    first = asyncio.create_task(door.come("first"))
    await _until(door, "first")
    second = asyncio.create_task(door.come("second"))
    assert (await door.http.get("/health")).status_code == 200
    assert door.entered == ["first"]
    door.go.set()
    assert [answer.json() for answer in await asyncio.gather(first, second)] == ["first", "second"]
    assert door.entered == ["first", "second"]


async def test_beyond_the_line_it_is_503_with_when_to_come_again(door: Door) -> None:
    waiting = [asyncio.create_task(door.come(f"{number}")) for number in range(3)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    [refused] = [task.result() for task in done]
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_at_once")
    assert int(refused.headers["retry-after"]) >= 1
    door.go.set()
    assert sorted(answer.status_code for answer in await asyncio.gather(*waiting)) == [200, 200, 503]


async def test_whoever_sends_a_body_slowly_holds_no_place(door: Door) -> None:
    door.go.set()
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"sl"
        await go_on.wait()
        yield b"ow"

    slow = [asyncio.create_task(door.come(slowly())) for _ in range(5)]
    assert (await door.come("fast")).json() == "fast"
    assert door.entered == ["fast"]
    for task in slow[1:]:
        task.cancel()
    go_on.set()
    assert (await slow[0]).json() == "slow"


async def test_a_body_above_the_bound_is_refused_while_others_wait(door: Door) -> None:
    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(BOUND + 1):
            yield b"x"

    inside = asyncio.create_task(door.come("inside"))
    await _until(door, "inside")
    for content in ("x" * (BOUND + 1), too_much()):
        refused = await door.come(content)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    door.go.set()
    assert (await inside).status_code == 200
