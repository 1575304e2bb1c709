"""Puts the hall of a running agent together. Imported when the first window comes, never before."""

from __future__ import annotations

from pulse_agent.local_protocol.agent_methods import agent_methods
from pulse_agent.local_protocol.configuration_methods import configuration_methods
from pulse_agent.local_protocol.desk import Desk
from pulse_agent.local_protocol.hall import WindowHall, welcome
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.people_methods import people_methods
from pulse_agent.local_protocol.status_reader import StatusReader
from pulse_agent.local_protocol.sync_methods import sync_methods
from pulse_agent.local_protocol.teller import AgentTeller
from pulse_agent.local_protocol.update_methods import update_methods
from pulse_contracts.local_protocol import Welcome
from pulse_contracts.local_status import Mode


def agent_hall(parts: DeskParts) -> WindowHall:
    """Return the hall of a running agent."""
    desk = Desk(parts)
    reader = StatusReader(desk)
    desk.handlers = {
        **agent_methods(desk, reader),
        **people_methods(desk),
        **configuration_methods(desk),
        **sync_methods(desk),
        **({} if parts.updater is None else update_methods(parts.updater)),
    }
    methods, started_ms = sorted(desk.handlers), int(parts.started * 1000)

    def greet(version: int) -> Welcome:
        return welcome(version, Mode.ENROLLED, methods, started_ms)

    return WindowHall(desk, AgentTeller(desk, reader), greet)
