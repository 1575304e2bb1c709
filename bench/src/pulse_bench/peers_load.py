"""Others beside durable ingest: the naive consumer, and Node-RED where npm is there.

The same publisher, the same bare broker as the raw limit, a table of its own in the stack's PostgreSQL with the same
durability; the services of the stack have nothing to do meanwhile. The clock runs from the first publish until the table has
as many rows as were published. None of them checks for duplicates, tells the device what is stored, or feeds a live screen.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from pulse_bench.errors import BenchError
from pulse_bench.load import LoadPair
from pulse_bench.native import Account
from pulse_bench.peers import naive_consumer, node_red
from pulse_bench.raw_limit import bare_broker, measure_raw_limit
from pulse_bench.stack import Stack

_GONE: Final = f"drop schema if exists {naive_consumer.SCHEMA} cascade"
_FRESH: Final = f"{_GONE}; create schema {naive_consumer.SCHEMA}"
_CLIENTS: Final = 50
_RAW_SHARE: Final = 40
_NODE_RED_SHARES: Final = {"single insert": 3, "hand-batched": 15}
_START_SECONDS: Final = 60.0
_STALLED_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
Runner = Callable[[int, str], AbstractAsyncContextManager[None]]
"""Runs a peer between a broker's port and a database."""


@dataclass(slots=True)
class Peer:
    """One peer and what was read of it; `why_not` says why nothing was.

    `share` is how many times the messages of the slowest it gets, so that each is measured for some seconds.
    """

    name: str
    title: str
    client_id: str
    share: int
    start: Runner | None = None
    why_not: str | None = None
    runs: list[dict[str, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return {"name": self.name, "title": self.title, "runs": self.runs, "why_not": self.why_not}


async def measure_peers(
    stack: Stack, pair: LoadPair, *, messages: int, runs: int, say: Callable[[str], None], with_node_red: bool = True
) -> list[Peer]:
    """Measure each peer beside the raw limit, by turns; the slowest gets `messages` of 50 clients. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="pulse-bench-peers-") as folder:
        peers = [
            Peer("naive", "naive consumer (aiomqtt, one INSERT a message)", naive_consumer.CLIENT_ID, 1, _naive),
            *(await _node_reds(Path(folder), with_node_red)),
        ]
        for peer in peers:
            if peer.why_not:
                say(f"{peer.title}: not measured: {peer.why_not}")
        for _ in range(runs):
            raw = await measure_raw_limit(pair, clients=_CLIENTS, messages=_RAW_SHARE * messages)
            for peer in peers:
                if peer.start is not None:
                    per_s = await _measure(stack, pair, peer.start, peer.client_id, peer.share * messages)
                    peer.runs.append({"raw_per_s": raw, "per_s": per_s, "ratio": per_s / raw})
                    say(f"{peer.title}: {per_s:,.0f}/s of {raw:,.0f}/s")
    return peers


async def _node_reds(folder: Path, is_wanted: bool) -> list[Peer]:
    peers = [
        Peer(f"node-red {flow}", f"Node-RED, {flow}", node_red.CLIENT_ID, share)
        for flow, share in _NODE_RED_SHARES.items()
    ]
    why_not = None if is_wanted else "it was not asked for"
    if is_wanted:
        try:
            await node_red.install_node_red(folder / "installed")
        except BenchError as error:
            why_not = str(error)
    for peer, flow in zip(peers, node_red.FLOWS, strict=True):
        peer.why_not = why_not
        if why_not is None:
            peer.start = _node_red_runner(folder, flow)
    return peers


def _node_red_runner(folder: Path, flow: str) -> Runner:
    def start(port: int, database_url: str) -> AbstractAsyncContextManager[None]:
        data = Path(tempfile.mkdtemp(dir=folder)) / "data"
        return node_red.node_red(folder / "installed", data, flow, port, database_url)

    return start


@asynccontextmanager
async def _naive(port: int, database_url: str) -> AsyncIterator[None]:
    command = (sys.executable, "-m", "pulse_bench.peers.naive_consumer", str(port), database_url)
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _measure(stack: Stack, pair: LoadPair, start: Runner, client_id: str, messages: int) -> float:
    database = await asyncpg.connect(stack.database_url)
    try:
        await database.execute(_FRESH)
        await database.execute(naive_consumer.TABLE)
        async with bare_broker() as broker, start(broker.port, stack.database_url):
            await broker.until_subscribed(client_id, _START_SECONDS)
            accounts = [Account(f"peer-{n:03d}", "-", 1, 1) for n in range(_CLIENTS)]
            began = time.perf_counter()
            published = await pair.publish("127.0.0.1", broker.port, accounts, messages=messages)
            # The publisher connects before it publishes; its own clock says when it began.
            began = max(began, time.perf_counter() - published.seconds)
            await _until_stored(database, _CLIENTS * messages)
            return _CLIENTS * messages / (time.perf_counter() - began)
    finally:
        await database.execute(_GONE)
        await database.close()


async def _until_stored(database: asyncpg.Connection[asyncpg.Record], wanted: int) -> None:
    counted, moved_at = -1, time.perf_counter()
    while True:
        now = int(await database.fetchval("select count(*) from bench_peer.reading"))
        if now >= wanted:
            return
        if now > counted:
            counted, moved_at = now, time.perf_counter()
        elif time.perf_counter() - moved_at > _STALLED_SECONDS:
            raise BenchError(f"the peer stored {counted} of {wanted} messages, and no more for {_STALLED_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)
