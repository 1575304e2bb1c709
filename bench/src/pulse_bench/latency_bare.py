"""What the hops of `latency_hops` cost a program that does nothing else, on this machine at this moment.

Each is asked at the same 100 a second, so that processes sleep between two of them as they do in the measured way. One after
the other, some seconds each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import asyncpg
from websockets.asyncio.client import connect

from pulse_bench.bare_server import bare_server
from pulse_bench.raw_limit import bare_broker
from pulse_bench.stack import Stack
from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_chassis.streams import START, StreamReader, StreamWriter, connect_redis

PER_S: Final = 100.0
FRAME_BYTES: Final = 200
ROUND_TRIPS: Final = 6
"""Of ingest's transaction: BEGIN, the ledger, COPY (its start and its data), the latest values, COMMIT."""
_TOPIC: Final = "bare/reading"
_STREAM: Final = "bench:bare"
_WARM_UP: Final = 20
_ARRIVAL_SECONDS: Final = 20.0
_PAGE_BYTES: Final = 8192
_FILE_BYTES: Final = 16 * 1024 * 1024
_synchronise: Final = getattr(os, "fdatasync", os.fsync)
_BODY: Final = json.dumps({"v": 1, "epoch": 1, "first": 1, "rows": [[0, {"temperature": 21.5}]]}).encode()
_TABLE: Final = "create table if not exists public.bench_bare (at bigint, value float8)"
_INSERT: Final = "insert into public.bench_bare values ($1, $2)"


async def sample_bare_hops(stack: Stack, *, seconds: float) -> dict[str, list[float]]:
    """Return name → microseconds of each sample; `seconds` are those of each name. Raises BenchError.

    `mqtt`: client → bare broker → client, QoS 0. `insert`: one INSERT, committed. `transaction`: the same INSERT in a
    transaction of as many round trips as ingest's. `round_trip`: a statement that does nothing. `flush`: a page of a file
    beside the database's, written and flushed to the disk. `stream`: from before an XADD until a waiting XREAD has it.
    `socket`: a text frame from a bare FastAPI to a client. Clients are the libraries that the services use.
    """
    count = round(seconds * PER_S)
    return {
        "mqtt": await _mqtt(count),
        **await _database(stack.database_url, count),
        "flush": await _flush(stack.data, count),
        "stream": await _stream(stack, count),
        "socket": await _socket(count),
    }


async def _paced(count: int, step: Callable[[], Awaitable[float]]) -> list[float]:
    """Do a step so often at the rate, after a warm-up; return what it says in seconds, as microseconds."""
    loop = asyncio.get_running_loop()
    took = []
    due = loop.time()
    for _ in range(_WARM_UP + count):
        due += 1 / PER_S
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        took.append(await step())
    return [seconds * 1e6 for seconds in took[_WARM_UP:]]


async def _mqtt(count: int) -> list[float]:
    arrived: asyncio.Queue[float] = asyncio.Queue()

    def on_message(message: InboundMessage) -> None:
        del message
        arrived.put_nowait(time.perf_counter())

    async with bare_broker() as broker:
        endpoint = MqttEndpoint("127.0.0.1", broker.port)
        async with (
            await MqttSession.connect(endpoint, client_id="bare-reader", on_message=on_message) as reader,
            await MqttSession.connect(endpoint, client_id="bare-device", on_message=on_message) as device,
        ):
            await reader.subscribe([(_TOPIC, 0)])

            async def publish() -> float:
                left = time.perf_counter()
                device.publish_nowait(_TOPIC, _BODY)
                return await asyncio.wait_for(arrived.get(), _ARRIVAL_SECONDS) - left

            return await _paced(count, publish)


async def _database(url: str, count: int) -> dict[str, list[float]]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)
        insert = await connection.prepare(_INSERT)
        nothing = await connection.prepare("select 1")

        async def insert_one() -> float:
            began = time.perf_counter()
            await insert.fetch(time.time_ns(), 21.5)
            return time.perf_counter() - began

        async def ask_nothing() -> float:
            began = time.perf_counter()
            await nothing.fetch()
            return time.perf_counter() - began

        async def insert_in_transaction() -> float:
            began = time.perf_counter()
            async with connection.transaction():
                await insert.fetch(time.time_ns(), 21.5)
                for _ in range(ROUND_TRIPS - 3):
                    await nothing.fetch()
            return time.perf_counter() - began

        return {
            "insert": await _paced(count, insert_one),
            "transaction": await _paced(count, insert_in_transaction),
            "round_trip": await _paced(count, ask_nothing),
        }
    finally:
        await connection.execute("drop table if exists public.bench_bare")
        await connection.close()


async def _flush(folder: Path, count: int) -> list[float]:
    # In place, in a file that has its blocks already: so does PostgreSQL with the segments of its log.
    places = itertools.cycle(range(0, _FILE_BYTES, _PAGE_BYTES))
    page = bytes(_PAGE_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_FILE_BYTES))
        file.flush()
        os.fsync(file.fileno())

        async def flush() -> float:
            began = time.perf_counter()
            file.seek(next(places))
            file.write(page)
            file.flush()
            _synchronise(file.fileno())
            return time.perf_counter() - began

        return await _paced(count, flush)


async def _stream(stack: Stack, count: int) -> list[float]:
    redis = connect_redis(str(stack.description["redis_url"]))
    writer, reader = StreamWriter(redis, _STREAM, 1000), StreamReader(redis, _STREAM)
    after = START
    try:

        async def append() -> float:
            nonlocal after
            reading = asyncio.create_task(reader.read(after, block_ms=5000))
            # The reader waits in the server before there is anything to read, as the gateway does.
            await asyncio.sleep(0.002)
            began = time.perf_counter()
            appending = asyncio.create_task(writer.append(_BODY))
            ((after, _),) = await reading
            took = time.perf_counter() - began
            await appending
            return took

        return await _paced(count, append)
    finally:
        await redis.delete(_STREAM, f"{_STREAM}:epoch")
        await redis.aclose()


async def _socket(count: int) -> list[float]:
    async with bare_server(hertz=PER_S, frame_bytes=FRAME_BYTES) as server, connect(server.url) as socket:

        async def receive() -> float:
            frame = json.loads(await asyncio.wait_for(socket.recv(), _ARRIVAL_SECONDS))
            return time.time() - float(frame["rows"][0][3])

        took = [await receive() for _ in range(_WARM_UP + count)]
    return [seconds * 1e6 for seconds in took[_WARM_UP:]]
