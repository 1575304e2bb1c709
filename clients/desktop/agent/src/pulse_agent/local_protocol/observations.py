"""What an agent remembers for windows that may come later: its log, its last samples, and since when it catches up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pulse_agent.app import Agent
from pulse_agent.domain.connection import ConnectionState
from pulse_agent.domain.drain_meter import DrainMeter
from pulse_agent.local_protocol.log_memory import LogMemory
from pulse_agent.local_protocol.sample_memory import SampleMemory
from pulse_chassis.clock import Clock

WORTH_WATCHING: Final = 10
"""Fewer readings than this are gone before anybody has read a sentence about them."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Bounded, and light: they are made whether or not a window ever comes."""

    log: LogMemory = field(default_factory=LogMemory)
    samples: SampleMemory = field(default_factory=SampleMemory)
    drain: DrainMeter = field(default_factory=DrainMeter)

    def watch(self, agent: Agent, clock: Clock) -> None:
        """Take part in what happens to `agent`, whose context is open."""

        def on_state(state: ConnectionState) -> None:
            rows = agent.outbox.stats.rows
            if state is not ConnectionState.DRAINING:
                self.drain.stop()
            elif rows >= WORTH_WATCHING:
                self.drain.start(clock.now().timestamp(), rows)

        agent.outbox.on_stored(self.samples.take)
        agent.on_state(on_state)
