"""`pulse-agent run`: one agent until a signal. Exit codes: 0 stopped in order, 1 a part died, 3 not enrolled, 4 in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, cast

from pulse_agent.app import Agent
from pulse_agent.command_line.own_output import OwnOutput
from pulse_agent.command_line.restart import Restart
from pulse_agent.command_line.state_file import STATE_FILE, StateFile
from pulse_agent.commands.built_in import AgentControl, built_in_commands
from pulse_agent.commands.command import CommandOptions, Commands, installed_commands
from pulse_agent.commands.executor import CommandExecutor, ExecutorParts
from pulse_agent.commands.intent_log import IntentLog
from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import EnrolledDevice, NoSyncKeysError, NotEnrolledError, load_device
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, Secret, load_secret
from pulse_agent.configuration.knobs import AgentKnobs
from pulse_agent.configuration.live import LiveConfiguration
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.configuration.server_keys import ServerKeys, ServerKeysFetcher, load_server_keys
from pulse_agent.delivery.downlink import Downlink
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.local_protocol.observations import Observations
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.local_protocol.server import Hall, LocalServer
from pulse_agent.outbox.lock import OutboxInUseError, OutboxLock, is_locked
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.live import LiveReplica
from pulse_agent.settings import OUTBOX_FILE, AgentSettings
from pulse_agent.sources.source import Source, SourceOptions, create_source, parse_source
from pulse_agent.updates.release_keys import release_keys
from pulse_agent.updates.updater import Updater, UpdaterPlan
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.logging import configure_logging, get_logger
from pulse_chassis.run import Compose, Worker, run_process
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.ids import ClientId
from pulse_contracts.local_address import local_address

SERVICE: Final = "agent"
COMMANDS_FILE: Final = "commands.db"

_log = get_logger("run")


def run_agent(options: AgentOptions) -> NoReturn:
    """Run the agent of `options.data`. Raises NotEnrolledError, KeyMissingError, UnknownSourceError, OutboxInUseError."""
    observations = Observations()
    _log_at(options, observations, options.log_level)
    clock = SystemClock()
    restart = Restart()
    compose: Compose
    try:
        device = load_device(options.data)
        settings = settings_of(device, options)
    except (NotEnrolledError, KeyMissingError) as error:
        if not options.await_enrolment:
            raise
        compose = partial(_compose_awaiting, options, str(error), clock, restart)
    else:
        sources = {text: make_source(options, clock, text, options.interval) for text in options.source_texts()}
        compose = partial(_compose, _Plan(options, device, settings, clock, restart, observations), sources)
    if is_locked(lock_path(options.data)):
        raise OutboxInUseError(f"another agent is running on {options.data}")
    try:
        run_process(compose, service=SERVICE)
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
    observations: Observations


@asynccontextmanager
async def _compose_awaiting(
    options: AgentOptions, note: str, clock: Clock, restart: Restart
) -> AsyncIterator[Sequence[Worker]]:
    """Serve windows, that somebody may enrol this machine; it then starts anew as that device."""
    started = clock.now().timestamp()

    def make_hall() -> Hall:
        from pulse_agent.local_protocol.enrol_methods import AwaitingParts, awaiting_hall

        return awaiting_hall(AwaitingParts(options.data, note, clock, started, restart.request))

    options.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with OutboxLock(lock_path(options.data)):
        _log.info("awaiting_enrolment", reason=note)
        yield [
            Worker("windows", LocalServer(local_address(options.data), make_hall, clock).run),
            Worker("output", OwnOutput(options.data).run),
        ]


@asynccontextmanager
async def _compose(plan: _Plan, sources: Mapping[str, Source]) -> AsyncIterator[Sequence[Worker]]:
    options, settings, clock = plan.options, plan.settings, plan.clock
    server_time = ServerTime(clock)
    log = IntentLog(options.data / COMMANDS_FILE)
    known = load_server_keys(options.data)
    keys = TrustedKeys(known.commands.keys if known.commands else [])
    executor = CommandExecutor(ExecutorParts(settings.client_id, keys, log, clock, server_time))
    replica, no_sync = _replica_of(plan)
    downlinks: list[Downlink] = [executor] if replica is None else [executor, replica]
    agent = Agent(settings, sources, downlinks=downlinks, clock=clock, server_time=server_time)
    async with agent, nullcontext() if replica is None else replica:
        plan.observations.watch(agent, clock)
        set_level = partial(_log_at, options, plan.observations)
        updater = _updater_of(plan)
        knobs = AgentKnobs(agent, options, partial(make_source, options, clock), set_level, updater.turn)
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

        trust = _Trust(known, executor, replica)
        fetcher = ServerKeysFetcher(options.data, plan.device, trust.take, clock)
        parts = DeskParts(
            agent=agent, device=plan.device, data=options.data, clock=clock, server_time=server_time, live=live,
            replica=replica, no_sync=no_sync, observations=plan.observations, missing_keys=trust.missing,
            restart=restart, started=clock.now().timestamp(),
            updater=updater,
        )  # fmt: skip
        yield [
            *agent.workers(),
            Worker("server keys", fetcher.run),
            Worker("configuration", live.run),
            Worker("updates", updater.run),
            Worker("commands", executor.run),
            Worker("state file", state_file.run),
            Worker("output", OwnOutput(options.data).run),
            Worker("windows", LocalServer(local_address(options.data), partial(_hall_of, parts), clock).run),
            *([] if replica is None else [Worker("replica", replica.run)]),
        ]


@dataclass(slots=True)
class _Trust:
    """Whose signatures count: what is known of the server's keys, and who has to hear of more."""

    known: ServerKeys
    executor: CommandExecutor
    replica: LiveReplica | None

    def take(self, found: ServerKeys) -> None:
        """Believe these keys, too."""
        self.known = found
        if found.commands is not None:
            self.executor.trust(TrustedKeys(found.commands.keys))
        if found.sync is not None and self.replica is not None:
            self.replica.trust(found.sync)

    def missing(self) -> list[str]:
        """Return the names of the services whose keys were not fetched yet."""
        return self.known.missing


def _hall_of(parts: DeskParts) -> Hall:
    from pulse_agent.local_protocol.serving import agent_hall

    return agent_hall(parts)


def _updater_of(plan: _Plan) -> Updater:
    options = plan.options
    keys = release_keys(options.release_keys)
    return Updater(UpdaterPlan(options.data, plan.device, keys, plan.clock, options.updates, options.downloads))


def _replica_of(plan: _Plan) -> tuple[LiveReplica | None, str]:
    """Return the replica; None, and why, for a device that takes no part in sync and only delivers its readings."""
    try:
        identity = load_identity(plan.options.data, plan.device)
    except NoSyncKeysError as error:
        _log.info("no_sync", reason=str(error))
        return None, str(error)
    except KeyMissingError as error:
        _log.error("no_sync", reason=str(error))
        return None, str(error)
    return LiveReplica(plan.options.data / REPLICA_FILE, identity, plan.clock), ""


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


def _log_at(options: AgentOptions, observations: Observations, level: str) -> None:
    form = cast("Literal['json', 'console']", options.log_format)
    configure_logging(SERVICE, level, form, observations.log.take)
