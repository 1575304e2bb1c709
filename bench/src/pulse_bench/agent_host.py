"""Hosts some real agents in one process until its input ends: `python -m pulse_bench.agent_host FOLDER …`.

Each folder is an enrolled agent's. They have their own connections, outboxes, replicas and threads, as by themselves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pulse_agent.app import Agent
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import load_device
from pulse_agent.configuration.key_store import KeyStore, Secret, load_secret
from pulse_agent.domain.quota import Quota
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.logging import configure_logging
from pulse_chassis.run import Worker, run_workers
from pulse_contracts.ids import ClientId

DRAIN_SECONDS: Final = 30.0
_BALLAST_BYTES: Final = 64 * 1024


async def host(homes: Sequence[Path]) -> None:
    """Run the agents of these folders until standard input ends."""
    stop = asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read), name="host_input")
    reading.add_done_callback(lambda _task: stop.set())
    async with AsyncExitStack() as entered:
        workers = [worker for home in homes for worker in await _enter(entered, home)]
        await run_workers(workers, stop=stop, drain_seconds=DRAIN_SECONDS)
    await reading


async def _enter(entered: AsyncExitStack, data: Path) -> list[Worker]:
    device = load_device(data)
    key = load_secret(data, device.device_id, KeyStore(device.key_store), Secret.API_KEY)
    replica = LiveReplica(data / REPLICA_FILE, load_identity(data, device), SystemClock())
    settings = AgentSettings(
        outbox_path=data / OUTBOX_FILE,
        client_id=ClientId(device.device_id),
        endpoint=device.endpoint(data, key),
        quota=Quota(ballast_bytes=_BALLAST_BYTES),
    )
    agent = await entered.enter_async_context(Agent(settings, downlinks=[replica]))
    await entered.enter_async_context(replica)
    return [*agent.workers(), Worker("replica", replica.run)]


def main() -> None:
    """Host the agents whose folders are the arguments."""
    configure_logging("bench", "WARNING", "console")
    # Agents of one process must not all stop for a search through the objects of each.
    collect_rarely()
    asyncio.run(host([Path(argument) for argument in sys.argv[1:]]))


if __name__ == "__main__":
    main()
