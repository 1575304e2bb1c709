"""Which commands there are for a device, and whether arguments are what they must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulse_commands.domain.storable import json_bytes
from pulse_contracts.commands import ALSO_NEEDED, BUILT_IN_COMMANDS, CommandSpec
from pulse_contracts.configuration import BUILT_IN_KEYS, CONFIG_KEY_PATTERN, MAX_KEY_CHARS
from pulse_contracts.permissions import Permission
from pulse_contracts.value_specs import arguments_problem, value_problem

MAX_ARGUMENT_BYTES: Final = 16 * 1024
"""Of all arguments as compact JSON; signed, they stay below the contract's MAX_COMMAND_BYTES."""
_ARGUMENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CONFIG_KEY: Final = re.compile(CONFIG_KEY_PATTERN)


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """Which argument is wrong and why, in words; `argument` is empty when it is all of them."""

    argument: str
    reason: str


def needed_permissions(name: str) -> tuple[Permission, ...]:
    """Return everything that a sender of this command must be allowed, beside control of the device."""
    also = ALSO_NEEDED.get(name)
    return (Permission.COMMANDS_SEND,) if also is None else (Permission.COMMANDS_SEND, also)


def arguments_in_bounds(args: Mapping[str, Any]) -> ArgumentProblem | None:
    """Return why no command at all could carry these; None when one could."""
    try:
        size = json_bytes(dict(args))
    except (ValueError, RecursionError):
        return ArgumentProblem("", "must be JSON that can be written in UTF-8")
    if size > MAX_ARGUMENT_BYTES:
        return ArgumentProblem("", f"must have at most {MAX_ARGUMENT_BYTES} bytes as JSON")
    return None


def argument_problem(spec: CommandSpec, args: dict[str, Any]) -> ArgumentProblem | None:
    """Return the first wrong argument of a command; None when all are right."""
    problem = arguments_problem(spec.arguments, args)
    if problem is not None:
        return ArgumentProblem(*problem)
    return _setting_problem(args) if spec == BUILT_IN_COMMANDS["UPDATE_CONFIG"] else None


def _setting_problem(args: dict[str, Any]) -> ArgumentProblem | None:
    key = args["key"]
    if len(key) > MAX_KEY_CHARS or _CONFIG_KEY.fullmatch(key) is None:
        return ArgumentProblem("key", "is no configuration key")
    try:
        value = json.loads(args["value_json"], parse_constant=_no_number)
    except (ValueError, RecursionError):
        return ArgumentProblem("value_json", "must be JSON")
    spec = BUILT_IN_KEYS.get(key)
    reason = None if spec is None else value_problem(spec, value)
    return None if reason is None else ArgumentProblem("value_json", reason)


def _no_number(text: str) -> Any:
    message = f"{text} is no number in JSON"
    raise ValueError(message)


def declaration_problem(specs: Sequence[CommandSpec]) -> str | None:
    """Return why a device's declaration of its own commands is not acceptable; None when it is."""
    names = [spec.name for spec in specs]
    shadowed = next((name for name in names if name in BUILT_IN_COMMANDS), None)
    if shadowed is not None:
        return f"{shadowed} is a built-in command"
    if len(set(names)) < len(names):
        return "a command is declared twice"
    for spec in specs:
        for argument in spec.arguments:
            if _ARGUMENT_NAME.fullmatch(argument) is None:
                return f"{spec.name} has an argument whose name is not a lower-case word"
    return None
