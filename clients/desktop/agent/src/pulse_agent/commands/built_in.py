"""The commands that every agent understands. What a part is missing for (no replica, no process to restart) fails."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from pulse_agent.commands.command import AgentCommand, CommandFailedError, Invocation
from pulse_agent.commands.execution import RestartPendingError
from pulse_agent.configuration.entries import ConfigSource
from pulse_agent.configuration.live import SET_LOCALLY, LiveConfiguration, NotApplicableError
from pulse_contracts.commands import BUILT_IN_COMMANDS
from pulse_contracts.configuration import (
    BUILT_IN_KEYS,
    CUSTOM_PREFIX,
    MAX_KEY_CHARS,
    ConfigScope,
    config_id,
    parse_config_id,
)
from pulse_contracts.ids import ClientId
from pulse_contracts.value_specs import value_problem

INTERVAL_KEY: Final = "telemetry.interval_ms"
SYNC_PATIENCE: Final = timedelta(minutes=5)
PATIENCE: Final = timedelta(minutes=1)


class SyncFailedError(Exception):
    """A full compare did not come to its end; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReplicaControl(ConfigSource, Protocol):
    """What commands ask of the replica."""

    async def compare_all(self) -> Mapping[str, Any]:
        """Compare everything with the server now, fetch what differs, return what did. Raises SyncFailedError."""
        ...


@dataclass(frozen=True, slots=True)
class AgentControl:
    """What commands may do to the agent. `replica` None: it does not sync; `restart` None: it cannot start itself anew."""

    client_id: ClientId
    describe: Callable[[], Mapping[str, Any]]
    restart_sources: Callable[[], Awaitable[None]]
    configuration: LiveConfiguration
    replica: ReplicaControl | None = None
    restart: Callable[[], Awaitable[None]] | None = None


def built_in_commands(control: AgentControl) -> list[AgentCommand]:
    """Return the commands of `BUILT_IN_COMMANDS` for this agent."""
    actions = _Actions(control)
    handlers = {
        "FORCE_SYNC": (actions.force_sync, SYNC_PATIENCE),
        "UPDATE_CONFIG": (actions.update_config, PATIENCE),
        "CHANGE_INTERVAL": (actions.change_interval, PATIENCE),
        "RELOAD": (actions.reload, PATIENCE),
        "PING": (actions.ping, PATIENCE),
        "RESTART_AGENT": (actions.restart_agent, PATIENCE),
    }
    return [AgentCommand(BUILT_IN_COMMANDS[name], *handler) for name, handler in handlers.items()]


class _Actions:
    def __init__(self, control: AgentControl) -> None:
        self._control = control

    async def ping(self, _: Invocation) -> Mapping[str, Any]:
        return self._control.describe()

    async def force_sync(self, _: Invocation) -> Mapping[str, Any]:
        try:
            return await self._replica().compare_all()
        except SyncFailedError as error:
            raise CommandFailedError(error.code, str(error)) from error

    async def update_config(self, invocation: Invocation) -> Mapping[str, Any]:
        try:
            value = json.loads(invocation.arguments["value_json"], parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise CommandFailedError("bad_value", f"value_json is no JSON: {error}") from error
        return await self._set(invocation, invocation.arguments["key"], value)

    async def change_interval(self, invocation: Invocation) -> Mapping[str, Any]:
        return await self._set(invocation, INTERVAL_KEY, invocation.arguments["interval_ms"])

    async def reload(self, _: Invocation) -> Mapping[str, Any]:
        configuration = self._control.configuration
        await configuration.apply()
        try:
            await self._control.restart_sources()
        except NotApplicableError as error:
            raise CommandFailedError("not_applied", str(error)) from error
        errors = {entry.id: entry.error for entry in configuration.applied() if entry.error is not None}
        return {"entries": len(configuration.applied()), "not_applied": errors}

    async def restart_agent(self, _: Invocation) -> None:
        if self._control.restart is None:
            raise CommandFailedError("not_supported", "whoever runs this agent does not let it restart itself")
        await self._control.restart()
        raise RestartPendingError

    async def _set(self, invocation: Invocation, key: str, value: Any) -> Mapping[str, Any]:
        """Edit one key for this device, put it into effect, and return the value in force."""
        configuration, replica = self._control.configuration, self._replica()
        if parse_config_id(config_id(ConfigScope.DEVICE, self._control.client_id, key)) is None:
            raise CommandFailedError("unknown_key", f"{key[:MAX_KEY_CHARS]!r} is no configuration key")
        spec = BUILT_IN_KEYS.get(key)
        if spec is None and not key.startswith(CUSTOM_PREFIX):
            raise CommandFailedError("unknown_key", f"there is no configuration key {key}")
        if spec is not None and (problem := value_problem(spec, value)) is not None:
            raise CommandFailedError("bad_value", f"{key} {problem}")
        if configuration.is_local(key):
            raise CommandFailedError("set_locally", f"{key} is {SET_LOCALLY}: {configuration.in_force(key)!r}")
        if invocation.actor is None:
            raise CommandFailedError("no_actor", "an edit needs somebody who made it")
        await replica.edit_config(key, value, invocation.actor)
        await configuration.apply()
        problem = configuration.problem(key)
        if problem is not None:
            raise CommandFailedError("not_applied", f"{key}: {problem}")
        return {"key": key, "value": configuration.in_force(key)}

    def _replica(self) -> ReplicaControl:
        if self._control.replica is None:
            raise CommandFailedError("not_synced", "this agent does not sync: enrol it again")
        return self._control.replica


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
