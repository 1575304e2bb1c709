"""The queue of a socket: bounded, in order, never in the way."""

import asyncio
import json

import pytest

from pulse_contracts.frames import CloseCode
from pulse_gateway.domain.refusal import Farewell
from pulse_gateway.use_cases.outbox import MAX_BYTES, MAX_FRAMES, Outbox

BYE = Farewell(CloseCode.RESTART, "test")


class Peer:
    """Takes texts while it is not stuck."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, text: str) -> None:
        await self.open.wait()
        self.texts.append(text)


class Backlog:
    """A source with so many frames to give."""

    def __init__(self, outbox: Outbox, count: int, size: int = 10) -> None:
        self.in_flight = 0
        self.outbox, self.left, self.size = outbox, count, size
        self.peak = 0

    def refill(self) -> bool:
        self.left -= 1
        self.outbox.put("data", f'"{"x" * self.size}"', self)
        self.peak = max(self.peak, self.outbox.bytes)
        return self.left > 0


@pytest.fixture
def overflows() -> list[int]:
    return []


@pytest.fixture
def outbox(overflows: list[int]) -> Outbox:
    return Outbox(lambda: overflows.append(1), lambda _: None)


async def test_frames_are_written_in_order_and_the_farewell_is_last(outbox: Outbox) -> None:
    peer = Peer()
    for n in range(40):
        outbox.put("data", str(n))
    outbox.say_farewell(BYE, "bye", drop_queue=False)
    outbox.put("data", "too late")
    assert await outbox.run(peer.send) is BYE
    assert peer.texts == [*map(str, range(40)), "bye"]


async def test_a_dropped_queue_says_only_bye(outbox: Outbox) -> None:
    peer = Peer()
    outbox.put("data", "x")
    outbox.say_farewell(BYE, "bye", drop_queue=True)
    await outbox.run(peer.send)
    assert peer.texts == ["bye"]


async def test_above_a_mebibyte_it_overflows(outbox: Outbox, overflows: list[int]) -> None:
    text = "x" * 1000
    for _ in range(MAX_BYTES // 1100):
        outbox.put("event", text)
    assert not overflows
    for _ in range(200):
        outbox.put("event", text)
    assert overflows


async def test_above_so_many_frames_it_overflows(outbox: Outbox, overflows: list[int]) -> None:
    for _ in range(MAX_FRAMES):
        outbox.put("event", "x")
    assert not overflows
    outbox.put("event", "x")
    assert overflows


async def test_a_long_run_lets_others_run(outbox: Outbox) -> None:
    peer, turns = Peer(), 0

    async def other() -> None:
        nonlocal turns
        while len(peer.texts) < 1000:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(outbox.run(peer.send))
    source = Backlog(outbox, 1000)
    outbox.wait_for_room(source)
    await other()
    running.cancel()
    assert turns > 30


async def test_a_backlog_waits_in_its_source_not_in_the_queue(outbox: Outbox, overflows: list[int]) -> None:
    peer = Peer()
    peer.open.clear()
    one, other = Backlog(outbox, 100, 60_000), Backlog(outbox, 100, 60_000)
    running = asyncio.create_task(outbox.run(peer.send))
    outbox.wait_for_room(one)
    outbox.wait_for_room(other)
    for _ in range(50):
        await asyncio.sleep(0)
    assert outbox.bytes < 200_000
    assert one.left > 90
    peer.open.set()
    async with asyncio.timeout(5):
        while one.left or other.left:
            await asyncio.sleep(0)
            assert abs(one.left - other.left) <= 2, "sources take turns"
    running.cancel()
    assert not overflows
    assert one.peak < 200_000


async def test_batches_are_arrays_of_whole_frames(outbox: Outbox) -> None:
    peer = Peer()
    outbox.batches = True
    for n in range(100):
        outbox.put("data", json.dumps({"n": n, "x": "y" * 2000}))
    outbox.say_farewell(BYE, '{"n":100}', drop_queue=False)
    await outbox.run(peer.send)
    frames = [json.loads(text) for text in peer.texts]
    flat = [f for frame in frames for f in (frame if isinstance(frame, list) else [frame])]
    assert [f["n"] for f in flat] == list(range(101))
    assert all(len(text) <= 66_000 for text in peer.texts)
    assert len(frames) < 10
