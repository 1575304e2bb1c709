"""Many dashboards in one process, told what to do line by line: `python -m pulse_bench.dashboard_crowd`.

The first line of standard input is a `CrowdPlan` as JSON. Then `measure` begins to count anew, `drop` cuts every line at
once, and `report` prints what was seen as JSON; the end of input ends it. When all are subscribed it prints `ready`.
A dashboard comes back by the protocol's rule: at once a random part of half a second later, then with longer pauses, never
before the time that the server named; and goes on from the last frame that it applied.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from pulse_chassis.garbage_collection import collect_rarely

SENT: Final = re.compile(r'"sent_at",\d+,([0-9.]+)')
"""The row that says when the frame's content was made, by this machine's clock."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
_GROWTH: Final = 1.4
"""As the dashboard's own client (clients/dashboard: shared/live/src/backoff.ts)."""
_MEND_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """How many, where to, and what to subscribe to; without a token the server sends unasked, as a bare loop does."""

    url: str
    sockets: int
    at_once: int
    """How many connect at the same time at first."""
    protocol: str | None = None
    token: str | None = None
    topic: str = ""
    device_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Seen:
    """What all dashboards of this process saw since `measure` or `drop`."""

    frames: int = 0
    bytes: int = 0
    delays: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    """Seconds from the first line lost until each dashboard had its subscription again."""
    greeted: float | None = None
    """Seconds from the first line lost until the server spoke to anybody."""
    unrecovered: int = 0
    turned_away: list[str] = field(default_factory=list)
    """Why, each time that the server said to come back later."""


class Crowd:
    """All dashboards, and what they saw."""

    def __init__(self, plan: CrowdPlan) -> None:
        self.plan = plan
        self.seen = Seen()
        self.cut_at: float | None = None
        self._all = [Dashboard(self) for _ in range(plan.sockets)]
        self._places = asyncio.Semaphore(plan.at_once)

    async def enter(self) -> None:
        """Connect and subscribe all of them, some at a time."""

        async def one(dashboard: Dashboard) -> None:
            async with self._places:
                dashboard.start()
                await dashboard.is_subscribed.wait()

        await asyncio.gather(*(one(dashboard) for dashboard in self._all))

    def drop(self) -> None:
        """Cut every line at once."""
        self.seen, self.cut_at = Seen(), time.perf_counter()
        for dashboard in self._all:
            dashboard.cut()

    def since_cut(self) -> float:
        """Return the seconds since the first line was lost."""
        if self.cut_at is None:
            self.cut_at = time.perf_counter()
        return time.perf_counter() - self.cut_at

    def report(self) -> dict[str, Any]:
        """Return what was seen, for the parent."""
        seen = self.seen
        events = [len(dashboard.events) for dashboard in self._all]
        return {
            "frames": seen.frames,
            "bytes": seen.bytes,
            "delays": seen.delays,
            "resumed": seen.resumed,
            "greeted": seen.greeted,
            "unrecovered": seen.unrecovered,
            "turned_away": seen.turned_away,
            "subscribed": sum(dashboard.is_subscribed.is_set() for dashboard in self._all),
            "events": events,
        }

    async def leave(self) -> None:
        """Close all lines."""
        await asyncio.gather(*(dashboard.stop() for dashboard in self._all))


class Dashboard:
    """One socket, and where it is in its topic."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._attempt = 0
        self._not_before = 0.0
        self._position: dict[str, str] | None = None
        self.is_subscribed = asyncio.Event()
        self.events: set[str] = set()

    def start(self) -> None:
        """Connect, and stay connected."""
        self._task = asyncio.create_task(self._stay())

    def cut(self) -> None:
        """Drop the line without a word."""
        self.is_subscribed.clear()
        if self._socket is not None:
            self._socket.transport.abort()

    async def stop(self) -> None:
        """Close the line for good."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _stay(self) -> None:
        plan = self._crowd.plan
        protocols = None if plan.protocol is None else [Subprotocol(plan.protocol)]
        while True:
            try:
                async with connect(
                    plan.url, subprotocols=protocols, compression=None, max_size=None, ping_interval=None
                ) as socket:
                    self._socket = socket
                    await self._converse(socket)
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake):
                pass
            if self.is_subscribed.is_set():
                self.is_subscribed.clear()
                self._crowd.since_cut()
            bound = min(_LONGEST_PAUSE, _FIRST_PAUSE * _GROWTH ** min(self._attempt, 20))
            self._attempt += 1
            await asyncio.sleep(max(self._not_before, random.random() * bound))  # noqa: S311 -- a pause, no secret
            self._not_before = 0.0

    async def _converse(self, socket: ClientConnection) -> None:
        if self._crowd.plan.token is None:
            self.is_subscribed.set()
        else:
            await socket.send(json.dumps(self._auth()))
            await self._ask(socket)
        async for text in socket:
            assert isinstance(text, str)  # noqa: S101 -- frames are text
            self._take(text)

    def _auth(self) -> dict[str, Any]:
        return {
            "type": "auth",
            "id": 1,
            "token": self._crowd.plan.token,
            "client": {"name": "bench", "version": "1"},
        }

    def _subscription(self) -> dict[str, Any]:
        plan = self._crowd.plan
        asked: dict[str, Any] = {"type": "subscribe", "id": 2, "sub": "s", "topic": plan.topic, "interval_ms": 0}
        if plan.device_ids:
            asked["filter"] = {"device_ids": list(plan.device_ids)}
        if self._position is not None:
            asked["since"] = self._position
        return asked | {"snapshot": False}

    def _take(self, text: str) -> None:
        seen = self._crowd.seen
        found = SENT.search(text)
        if found is not None:
            seen.frames += 1
            seen.bytes += len(text)
            seen.delays.append(time.time() - float(found[1]))
        else:
            self._take_other(json.loads(text))

    def _take_other(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "event":
                self._crowd.seen.frames += 1
                self.events.update(item["id"] for item in frame["items"])
                self._advance(frame["offset"])
            case "hb":
                for offset in frame.get("pos", {}).values():
                    self._advance(offset)
            case "hello" if self._crowd.cut_at is not None and self._crowd.seen.greeted is None:
                self._crowd.seen.greeted = self._crowd.since_cut()
            case "ack" if frame["id"] == 2:
                self._arrive(frame)
            case "bye":
                self._turn_away(frame)
            case "error":
                self._refused(frame)

    def _arrive(self, ack: dict[str, Any]) -> None:
        if self._position is not None:
            self._crowd.seen.unrecovered += ack.get("recovered") is not True
            self._crowd.seen.resumed.append(self._crowd.since_cut())
        if self._position is None or ack.get("recovered") is not True:
            self._position = {"epoch": ack["epoch"], "offset": ack["offset"]}
        self._attempt = 0
        self.is_subscribed.set()

    def _refused(self, error: dict[str, Any]) -> None:
        if not error["retryable"]:
            raise SystemExit(f"the socket refused: {error['code']} {error['message']}")
        self._crowd.seen.turned_away.append(error["message"])
        pause = max(random.random() * _FIRST_PAUSE, (error.get("retry_after_ms") or 0) / 1000)  # noqa: S311 -- a pause
        asyncio.get_running_loop().call_later(pause, self._ask_again, self._socket)

    def _ask_again(self, socket: ClientConnection | None) -> None:
        if socket is not None and socket is self._socket:
            self._asking = asyncio.create_task(self._ask(socket))

    async def _ask(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException):  # the line is gone: `_stay` knows
            await socket.send(json.dumps(self._subscription()))

    def _advance(self, offset: str) -> None:
        if self._position is not None:
            self._position = {"epoch": self._position["epoch"], "offset": offset}

    def _turn_away(self, bye: dict[str, Any]) -> None:
        self._crowd.seen.turned_away.append(bye["reason"])
        floor = _MEND_SECONDS if 4100 <= bye["code"] < 4200 else 0.0
        self._not_before = max(floor, (bye.get("retry_after_ms") or 0) / 1000)


async def _follow(lines: asyncio.StreamReader) -> None:
    fields = json.loads(await lines.readline())
    crowd = Crowd(CrowdPlan(**fields | {"device_ids": tuple(fields["device_ids"])}))
    await crowd.enter()
    print("ready", flush=True)
    while line := (await lines.readline()).strip():
        match line:
            case b"measure":
                crowd.seen, crowd.cut_at = Seen(), None
            case b"drop":
                crowd.drop()
            case b"report":
                print(json.dumps(crowd.report()), flush=True)
    await crowd.leave()


async def _run() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await _follow(lines)


def main() -> None:
    """Be the crowd that standard input says."""
    # Hundreds of clients in one process must not stop for a search through all of their objects.
    collect_rarely()
    asyncio.run(_run())


if __name__ == "__main__":
    main()
