"""A real agent process that writes an oracle beside its outbox: `intent n` before a put, `confirm n sequence` after."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from pulse_agent.app import Agent
from pulse_agent.domain.reading import Reading
from pulse_agent.settings import AgentSettings
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId


async def main() -> None:
    plan = json.loads(sys.argv[1])
    endpoint = MqttEndpoint(plan["host"], plan["port"], plan["name"], plan["password"])
    settings = AgentSettings(Path(plan["outbox"]), ClientId(plan["name"]), endpoint, live_patience=0.5)
    oracle = os.open(plan["oracle"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def put(agent: Agent, lane: int) -> None:
        number = plan["first"] + lane
        while True:
            os.write(oracle, f"intent {number}\n".encode())
            stored = await agent.put(Reading(time.time_ns() // 1000, {"n": number}))
            os.write(oracle, f"confirm {number} {stored.sequence}\n".encode())
            number += 8

    async with Agent(settings) as agent:
        await asyncio.gather(agent.run(asyncio.Event()), *(put(agent, lane) for lane in range(8)))


asyncio.run(main())
