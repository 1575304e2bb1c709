"""What a command is to the agent, and how custom ones are found.

A plug-in is an entry point of the group `pulse_agent.commands`: a function that takes `CommandOptions` and returns a
`AgentCommand`. Only what is installed and not disabled is ever executed. Guarantees: a plug-in that cannot be loaded,
takes a built-in name or declares nonsense is left out, with a log line. Never does: execute.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.commands import BUILT_IN_COMMANDS, CommandSpec

PLUGIN_GROUP: Final = "pulse_agent.commands"
PATIENCE: Final = timedelta(minutes=1)
MAX_CUSTOM: Final = 100
"""What one capability report holds; the rest is left out, with a log line."""
_ARGUMENT_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,63}$")

_log = get_logger("commands")


class Progress(Protocol):
    """Tells the sender how far it is; may be called as often as one likes, not every call is sent."""

    def __call__(self, share: float, message: str | None = None) -> None:
        """`share` from 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One execution. `seconds` is how long the handler has before it is cancelled and the command has failed."""

    jti: str
    arguments: Mapping[str, Any]
    actor: UUID | None
    seconds: float
    progress: Progress


Handler = Callable[[Invocation], Awaitable[Any]]
"""Does it and returns the result: JSON of at most MAX_RESULT_BYTES, or None. It runs on the agent's event loop and
must not block it. `CommandFailedError` gives the reason a code; whatever else it raises fails the command, too."""


class CommandFailedError(Exception):
    """It did not work; `code` is for programs (snake_case), the text for people."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code[:64] or "failed"


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """A command that this agent can do. `configure`, if given, is handed the `custom.` configuration keys in force, now
    and whenever one changes; a ValueError says why it does not take them."""

    spec: CommandSpec
    handler: Handler
    patience: timedelta = PATIENCE
    configure: Callable[[Mapping[str, Any]], None] | None = None


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What a plug-in gets: the agent's folder and the time."""

    data: Path
    clock: Clock


class Commands:
    """What this agent may be told to do: the allow-list. `disabled` holds names that whoever runs it has switched off."""

    def __init__(self, commands: Sequence[AgentCommand] = (), disabled: Collection[str] = frozenset()) -> None:
        self._disabled = frozenset(disabled)
        self._known = {command.spec.name: command for command in commands if command.spec.name not in disabled}

    def find(self, name: str) -> AgentCommand | None:
        """Return a command that may be executed."""
        return self._known.get(name)

    def is_disabled(self, name: str) -> bool:
        """Tell whether whoever runs this agent has switched the command off."""
        return name in self._disabled

    def custom_specs(self) -> list[CommandSpec]:
        """Return what plug-ins declare, for the server."""
        return [command.spec for name, command in self._known.items() if name not in BUILT_IN_COMMANDS]

    def configure(self, values: Mapping[str, Any]) -> list[str]:
        """Hand the `custom.` keys to plug-ins that ask for them; return why some did not take them."""
        problems = []
        for name, command in self._known.items():
            if command.configure is None:
                continue
            try:
                command.configure(values)
            except Exception as error:  # noqa: BLE001 # the boundary to plug-ins: theirs may raise anything
                problems.append(f"{name}: {str(error) or type(error).__name__}")
        return problems


def installed_commands(options: CommandOptions) -> list[AgentCommand]:
    """Return the commands of the plug-ins that are installed; the first of a name counts."""
    found: dict[str, AgentCommand] = {}
    for point in sorted(entry_points(group=PLUGIN_GROUP), key=lambda point: point.name):
        try:
            command: AgentCommand = point.load()(options)
            name = command.spec.name
            wrong = next((key for key in command.spec.arguments if _ARGUMENT_NAME.fullmatch(key) is None), None)
        except Exception as error:  # noqa: BLE001 # the boundary to plug-ins: theirs may raise anything
            _log.warning("command_plugin_left_out", plugin=point.name, reason=f"{type(error).__name__}: {error}")
            continue
        if wrong is not None or name in BUILT_IN_COMMANDS or name in found or len(found) >= MAX_CUSTOM:
            reason = f"{name} is taken, one too many, or has an argument of no possible name ({wrong})"
            _log.warning("command_plugin_left_out", plugin=point.name, reason=reason)
            continue
        found[name] = command
    return list(found.values())
