"""kill -9 of a real agent while it puts and sends, again and again, against an oracle outside of the outbox."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from pulse_agent.app import Agent
from pulse_agent.settings import AgentSettings
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId

SCRIPT = Path(__file__).with_name("putting_agent.py")


def oracle_of(path: Path) -> tuple[set[int], dict[int, int]]:
    intents: set[int] = set()
    confirmed: dict[int, int] = {}
    for line in path.read_text().splitlines():
        match line.split():
            case ["intent", number]:
                intents.add(int(number))
            case ["confirm", number, sequence]:
                confirmed[int(number)] = int(sequence)
    return intents, confirmed


async def test_what_was_confirmed_survives_kill_9_and_arrives_once(
    device: MqttEndpoint, server: Any, tmp_path: Path, eventually: Any
) -> None:
    oracle, outbox = tmp_path / "oracle", tmp_path / "outbox.db"
    plan = {"host": device.host, "port": device.port, "name": device.username, "password": device.password}
    chance = random.Random(7)
    for round_ in range(5):
        arguments = {**plan, "outbox": str(outbox), "oracle": str(oracle), "first": round_ * 10_000_000}
        process = subprocess.Popen([sys.executable, str(SCRIPT), json.dumps(arguments)])
        try:
            goal = (len(oracle_of(oracle)[1]) if oracle.exists() else 0) + chance.randint(20, 400)
            await eventually(lambda goal=goal: oracle.exists() and len(oracle_of(oracle)[1]) > goal, 30, "puts")
        finally:
            process.kill()
            process.wait()
    intents, confirmed = oracle_of(oracle)

    settings = AgentSettings(outbox, ClientId(str(device.username)), device, live_patience=0.5)
    stop = asyncio.Event()
    async with Agent(settings) as agent:
        task = asyncio.create_task(agent.run(stop))
        await eventually(lambda: agent.outbox.stats.rows == 0, 40, "drained")
        last = agent.outbox.stats.next_sequence - 1
        stop.set()
        await task
    arrived = {sequence: metrics["n"] for sequence, (_, metrics) in server.rows.items()}
    assert sorted(arrived) == list(range(1, last + 1))
    assert len(set(arrived.values())) == len(arrived)
    assert set(arrived.values()) <= intents
    assert {number: sequence for sequence, number in arrived.items() if number in confirmed} == confirmed
