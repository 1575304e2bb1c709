"""`pulse-agent run`: one agent until a signal. Exit codes: 0 stopped in order, 1 a part died, 3 not enrolled, 4 in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, cast

from pulse_agent.app import Agent
from pulse_agent.command_line.restart import Restart
from pulse_agent.command_line.state_file import STATE_FILE, StateFile
from pulse_agent.commands.built_in import AgentControl, built_in_commands
from pulse_agent.commands.command import CommandOptions, Commands, installed_commands
from pulse_agent.commands.executor import CommandExecutor, ExecutorParts
from pulse_agent.commands.intent_log import IntentLog
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import EnrolledDevice, NoSyncKeysError, load_device
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, Secret, load_secret
from pulse_agent.configuration.knobs import AgentKnobs
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.configuration.server_keys import ServerKeys, ServerKeysFetcher, load_server_keys
from pulse_agent.delivery.downlink import Downlink
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.outbox.lock import OutboxInUseError, is_locked
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_agent.sources.source import Source, SourceOptions, create_source, parse_source
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.logging import configure_logging, get_logger
from pulse_chassis.run import Worker, run_process
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.ids import ClientId

SERVICE: Final = "agent"
COMMANDS_FILE: Final = "commands.db"

_log = get_logger("run")


def run_agent(options: AgentOptions) -> NoReturn:
    """Run the agent of `options.data`. Raises NotEnrolledError, KeyMissingError, UnknownSourceError, OutboxInUseError."""
    set_level = partial(_log_at, options)
    set_level(options.log_level)
    clock = SystemClock()
    device = load_device(options.data)
    settings = settings_of(device, options)
    sources = {text: make_source(options, clock, text, options.interval) for text in options.source_texts()}
    if is_locked(lock_path(options.data)):
        raise OutboxInUseError(f"another agent is running on {options.data}")
    restart = Restart()
    plan = _Plan(options, device, settings, clock, restart)
    try:
        run_process(lambda: _compose(plan, sources), service=SERVICE)
    except SystemExit as leaving:
        if restart.is_wanted and leaving.code == 0:
            restart.run_again()
        raise


def settings_of(device: EnrolledDevice, options: AgentOptions) -> AgentSettings:
    """Return what the enrolment and the options say."""
    key = load_secret(options.data, device.device_id, KeyStore(device.key_store), Secret.API_KEY)
    return AgentSettings(
        outbox_path=options.data / OUTBOX_FILE,
        client_id=ClientId(device.device_id),
        endpoint=device.endpoint(options.data, key),
        quota=options.quota(),
    )


def make_source(options: AgentOptions, clock: Clock, text: str, interval: float) -> Source:
    """Return the source that `text` names. Raises UnknownSourceError, ValueError for its settings."""
    name, settings = parse_source(text)
    own_interval = float(settings.pop("interval", interval))
    return create_source(name, SourceOptions(own_interval, options.data, clock, settings))


def lock_path(data: Path) -> Path:
    """Return the lock file of the outbox in `data`."""
    return data / f"{OUTBOX_FILE}.lock"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one run is composed from."""

    options: AgentOptions
    device: EnrolledDevice
    settings: AgentSettings
    clock: Clock
    restart: Restart


@asynccontextmanager
async def _compose(plan: _Plan, sources: Mapping[str, Source]) -> AsyncIterator[Sequence[Worker]]:
    options, settings, clock = plan.options, plan.settings, plan.clock
    server_time = ServerTime(clock)
    log = IntentLog(options.data / COMMANDS_FILE)
    known = load_server_keys(options.data)
    keys = TrustedKeys(known.commands.keys if known.commands else [])
    executor = CommandExecutor(ExecutorParts(settings.client_id, keys, log, clock, server_time))
    replica = _replica_of(plan)
    downlinks: list[Downlink] = [executor] if replica is None else [executor, replica]
    agent = Agent(settings, sources, downlinks=downlinks, clock=clock, server_time=server_time)
    async with agent, nullcontext() if replica is None else replica:
        knobs = AgentKnobs(agent, options, partial(make_source, options, clock), partial(_log_at, options))
        custom = installed_commands(CommandOptions(options.data, clock))

        def take_custom(values: Mapping[str, Any]) -> list[str]:
            return [*agent.sources.configure(values), *commands.configure(values)]

        async def restart() -> None:
            await executor.flushed()
            plan.restart.request()

        live = LiveConfiguration(knobs.knobs(), take_custom, tuple if replica is None else replica.effective)
        control = AgentControl(
            client_id=settings.client_id,
            describe=partial(_describe, agent, plan, server_time, clock.monotonic()),
            restart_sources=knobs.restart_sources,
            configuration=live,
            replica=replica,
            restart=restart,
        )
        commands = Commands([*built_in_commands(control), *custom], options.disabled_commands)
        executor.offer(commands)
        if replica is not None:
            replica.on_config(live.changed)
            live.on_applied(lambda: replica.report(live.applied()))
        await live.apply()
        state_file = StateFile(options.data / STATE_FILE, agent, clock)

        def take_keys(found: ServerKeys) -> None:
            if found.commands is not None:
                executor.trust(TrustedKeys(found.commands.keys))
            if found.sync is not None and replica is not None:
                replica.trust(found.sync)

        fetcher = ServerKeysFetcher(options.data, plan.device, take_keys, clock)
        yield [
            *agent.workers(),
            Worker("server keys", fetcher.run),
            Worker("configuration", live.run),
            Worker("commands", executor.run),
            Worker("state file", state_file.run),
            *([] if replica is None else [Worker("replica", replica.run)]),
        ]


def _replica_of(plan: _Plan) -> LiveReplica | None:
    """Return the replica; None for a device that takes no part in sync, which says so and delivers its readings."""
    try:
        identity = load_identity(plan.options.data, plan.device)
    except NoSyncKeysError as error:
        _log.info("no_sync", reason=str(error))
        return None
    except KeyMissingError as error:
        _log.error("no_sync", reason=str(error))
        return None
    return LiveReplica(plan.options.data / REPLICA_FILE, identity, plan.clock)


def _describe(agent: Agent, plan: _Plan, server_time: ServerTime, started: float) -> dict[str, Any]:
    status = agent.status()
    return {
        "version": plan.settings.version,
        "time_ms": int(plan.clock.now().timestamp() * 1000),
        "server_time_ms": int(server_time.now() * 1000),
        "uptime_s": round(plan.clock.monotonic() - started, 1),
        "state": status.state.value,
        "buffered": status.stats.rows,
    }


def _log_at(options: AgentOptions, level: str) -> None:
    configure_logging(SERVICE, level, cast("Literal['json', 'console']", options.log_format))
