"""A plug-in of the group `pulse_agent.commands`: APPEND adds its number to a file, on the disk, and takes a while."""

from __future__ import annotations

import asyncio
import os

from pulse_agent.commands.command import AgentCommand, CommandOptions, Invocation
from pulse_contracts.commands import CommandSpec
from pulse_contracts.value_specs import ValueSpec, ValueType

SPEC = CommandSpec(
    name="APPEND",
    description="Appends a number to appended.txt",
    arguments={"n": ValueSpec(type=ValueType.INTEGER, is_required=True)},
)


def create(options: CommandOptions) -> AgentCommand:
    async def append(invocation: Invocation) -> dict[str, int]:
        await asyncio.sleep(0.01)
        line = f"{invocation.arguments['n']}\n".encode()
        file = os.open(options.data / "appended.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.fsync(file)
        os.close(file)
        await asyncio.sleep(0.01)
        return {"appended": invocation.arguments["n"]}

    return AgentCommand(SPEC, append)


def create_broken(_: CommandOptions) -> AgentCommand:
    raise RuntimeError("this plug-in cannot be loaded")
