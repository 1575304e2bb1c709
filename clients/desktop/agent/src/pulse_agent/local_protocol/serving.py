"""Puts the hall of an agent together. Imported when the first window comes, never before."""

from __future__ import annotations

import os
from typing import Final

from pulse_agent.local_protocol.agent_methods import agent_methods
from pulse_agent.local_protocol.configuration_methods import configuration_methods
from pulse_agent.local_protocol.desk import Desk
from pulse_agent.local_protocol.enrol_methods import AwaitingDesk, AwaitingParts, AwaitingTeller
from pulse_agent.local_protocol.hall import WindowHall
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.people_methods import people_methods
from pulse_agent.local_protocol.status_reader import StatusReader
from pulse_agent.local_protocol.sync_methods import sync_methods
from pulse_agent.local_protocol.teller import AgentTeller
from pulse_agent.settings import agent_version
from pulse_contracts.local_protocol import Program, Welcome
from pulse_contracts.local_status import Mode

PROGRAM: Final = "pulse-agent"


def agent_hall(parts: DeskParts) -> WindowHall:
    """Return the hall of a running agent."""
    desk = Desk(parts)
    reader = StatusReader(desk)
    desk.handlers = {
        **agent_methods(desk, reader),
        **people_methods(desk),
        **configuration_methods(desk),
        **sync_methods(desk),
    }
    methods, started_ms = sorted(desk.handlers), int(parts.started * 1000)

    def greet(version: int) -> Welcome:
        return welcome(version, Mode.ENROLLED, methods, started_ms)

    return WindowHall(desk, AgentTeller(desk, reader), greet)


def awaiting_hall(parts: AwaitingParts) -> WindowHall:
    """Return the hall of an agent that waits to be enrolled."""
    desk = AwaitingDesk(parts)
    methods, started_ms = sorted(desk.handlers), int(parts.started * 1000)

    def greet(version: int) -> Welcome:
        return welcome(version, Mode.UNENROLLED, methods, started_ms)

    return WindowHall(desk, AwaitingTeller(desk), greet)


def welcome(version: int, mode: Mode, methods: list[str], started_ms: int) -> Welcome:
    """Return the answer to a hello."""
    return Welcome(
        version=version,
        agent=Program(name=PROGRAM, version=agent_version()),
        mode=mode,
        pid=os.getpid(),
        started_ms=started_ms,
        methods=methods,
    )
