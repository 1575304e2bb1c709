"""`pulse-agent run`: one agent until a signal. Exit codes: 0 stopped in order, 1 a part died, 3 not enrolled, 4 in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, NoReturn, cast

from pulse_agent.app import Agent
from pulse_agent.command_line.state_file import STATE_FILE, StateFile
from pulse_agent.configuration.device import load_device
from pulse_agent.configuration.key_store import KeyStore, load_key
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.outbox.lock import OutboxInUseError, is_locked
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_agent.sources.source import Source, SourceOptions, create_source, parse_source
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.logging import configure_logging
from pulse_chassis.run import Worker, run_process
from pulse_contracts.ids import ClientId

SERVICE: Final = "agent"


def run_agent(options: AgentOptions) -> NoReturn:
    """Run the agent of `options.data`. Raises NotEnrolledError, KeyMissingError, UnknownSourceError, OutboxInUseError."""
    configure_logging(SERVICE, options.log_level, cast("Literal['json', 'console']", options.log_format))
    clock = SystemClock()
    settings = settings_of(options)
    sources = sources_of(options, clock)
    if is_locked(lock_path(options.data)):
        raise OutboxInUseError(f"another agent is running on {options.data}")
    run_process(lambda: _compose(settings, sources, options.data, clock), service=SERVICE)


def settings_of(options: AgentOptions) -> AgentSettings:
    """Return what the enrolment and the options say."""
    device = load_device(options.data)
    key = load_key(options.data, device.device_id, KeyStore(device.key_store))
    return AgentSettings(
        outbox_path=options.data / OUTBOX_FILE,
        client_id=ClientId(device.device_id),
        endpoint=device.endpoint(options.data, key),
        quota=options.quota(),
    )


def sources_of(options: AgentOptions, clock: Clock) -> list[Source]:
    """Return the sources that the options name."""
    found: list[Source] = []
    for text in filter(None, (part.strip() for part in options.sources.split(";"))):
        name, settings = parse_source(text)
        interval = float(settings.pop("interval", options.interval))
        found.append(create_source(name, SourceOptions(interval, options.data, clock, settings)))
    return found


def lock_path(data: Path) -> Path:
    """Return the lock file of the outbox in `data`."""
    return data / f"{OUTBOX_FILE}.lock"


@asynccontextmanager
async def _compose(
    settings: AgentSettings, sources: Sequence[Source], data: Path, clock: Clock
) -> AsyncIterator[Sequence[Worker]]:
    async with Agent(settings, sources, clock=clock) as agent:
        state_file = StateFile(data / STATE_FILE, agent, clock)
        yield [*agent.workers(), Worker("state file", state_file.run)]
