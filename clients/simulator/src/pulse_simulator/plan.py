"""What a run is asked to do, checked before anything starts. Pure, but for the system's limit of open files."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from pulse_contracts.ids import is_client_id
from pulse_simulator.outages import Outage

MAX_DEVICES: Final = 20_000
"""One process, one core: beyond this the simulator would measure itself."""
MAX_AGENTS: Final = 1_000
"""Each agent has a thread and a database of its own, as a real one has a machine."""
MAX_RATE_HZ: Final = 1_000.0
_FILES_PER_DEVICE: Final = 3
_FILES_PER_AGENT: Final = 6
_FILES_PER_PROXIED: Final = 2
_FILES_SPARE: Final = 128


class PlanError(ValueError):
    """The run cannot be done as asked; the message says why and what would do."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """How many of each kind, how fast, how long, and what happens to the link meanwhile."""

    devices: int
    agents: int
    rate_hz: float
    duration: timedelta
    outages: tuple[Outage, ...] = ()
    drain_timeout: timedelta = timedelta(seconds=120)
    connect_timeout: timedelta = timedelta(seconds=30)
    """How long generation waits for everybody to be connected; who is not by then begins without a link."""
    has_jitter: bool = False
    seed: int = 0
    prefix: str = "sim"
    data: Path = field(default_factory=lambda: Path(".pulse/simulator"))
    oracle: Path | None = None

    def __post_init__(self) -> None:
        """Raise PlanError for a plan that makes no sense."""
        if not 0 <= self.devices <= MAX_DEVICES:
            raise PlanError(f"{self.devices} devices are too many: one process simulates at most {MAX_DEVICES:,}")
        if not 0 <= self.agents <= MAX_AGENTS:
            raise PlanError(f"{self.agents} agents are too many: one process simulates at most {MAX_AGENTS:,}")
        if not self.devices + self.agents:
            raise PlanError("nothing to simulate: give --devices or --agents")
        if not 0 < self.rate_hz <= MAX_RATE_HZ:
            raise PlanError(f"a rate is above 0 and at most {MAX_RATE_HZ:g} readings a second for each device")
        if self.duration <= timedelta(0):
            raise PlanError("a run must last some time")
        if not is_client_id(f"{self.prefix}-device-00000"):
            raise PlanError(f"{self.prefix!r} cannot begin a device's id: letters, digits, dots, dashes; at most 50")
        late = [outage for outage in self.outages if outage.start >= self.duration]
        if late:
            start, end = late[0].start.total_seconds(), self.duration.total_seconds()
            raise PlanError(f"the outage at {start:g} s would begin after the run of {end:g} s")

    @property
    def device_ids(self) -> list[str]:
        """Names of the ESP32-style devices."""
        return [f"{self.prefix}-device-{number:05d}" for number in range(1, self.devices + 1)]

    @property
    def agent_ids(self) -> list[str]:
        """Names of the agent-style clients."""
        return [f"{self.prefix}-agent-{number:04d}" for number in range(1, self.agents + 1)]

    @property
    def needs_proxy(self) -> bool:
        """Tell whether the link must be ours to cut."""
        return bool(self.outages)

    @property
    def open_files(self) -> int:
        """About how many files and sockets the run needs at once."""
        clients = self.devices + self.agents
        proxied = clients * _FILES_PER_PROXIED if self.needs_proxy else 0
        return self.devices * _FILES_PER_DEVICE + self.agents * _FILES_PER_AGENT + proxied + _FILES_SPARE


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files as far as it must; raise PlanError when the system does not let us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        # Above the hard limit only a privileged process may go; whether we are one, the system knows best.
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed, hard if hard == resource.RLIM_INFINITY else max(hard, needed))
        )
    except (ValueError, OSError):
        raise PlanError(
            f"this run needs about {needed:,} open files and the system allows {hard:,}: "
            "simulate fewer devices, leave the outages out, or raise `ulimit -Hn`"
        ) from None
