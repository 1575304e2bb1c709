"""The naive consumer: one MQTT subscription, one INSERT a message.

`python -m pulse_bench.peers.naive_consumer PORT DATABASE_URL`. What most first versions look like: aiomqtt acknowledges a
message before the code sees it, there is no batch, no check for duplicates, no ack to the device and no live stream. It
stores each reading as one row of typed columns.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

import aiomqtt
import asyncpg

from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER

CLIENT_ID = "naive-consumer"
SCHEMA = "bench_peer"
TABLE = """
create table bench_peer.reading (
    client_id text, recorded_at timestamptz, temperature float, pressure float, is_active bool
)
"""
INSERT = "insert into bench_peer.reading values ($1, $2, $3, $4, $5)"


async def consume(port: int, database_url: str) -> None:
    """Store messages until the process is ended."""
    database = await asyncpg.connect(database_url)
    async with aiomqtt.Client("127.0.0.1", port, identifier=CLIENT_ID) as client:
        await client.subscribe(TELEMETRY_BUFFER_FILTER, qos=1)
        async for message in client.messages:
            run = json.loads(bytes(message.payload))
            client_id = message.topic.value.split("/")[1]
            for at, metrics in run["rows"]:
                recorded_at = datetime.fromtimestamp(at / 1e6, UTC)
                values = (metrics["temperature"], metrics["pressure"], metrics["is_active"])
                await database.execute(INSERT, client_id, recorded_at, *values)


if __name__ == "__main__":
    asyncio.run(consume(int(sys.argv[1]), sys.argv[2]))
