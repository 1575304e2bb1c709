"""Configuration in force, while the agent runs: what the server says by key, put into effect key by key.

Per key, in this order: an option that the operator of this machine gave explicitly (command line or PULSE_AGENT_*)
stands, and the entry is reported as `set locally`; else the entry that wins; else what the agent started with.
Guarantees: a value that is wrong, or that cannot be put into effect, leaves the one in force, and is reported with its
reason until it is right; only what a changed key concerns is touched; one change at a time. Never does: read files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulse_agent.configuration.entries import ConfigEntry
from pulse_chassis.logging import get_logger
from pulse_contracts.configuration import BUILT_IN_KEYS, CUSTOM_PREFIX
from pulse_contracts.sync import AppliedConfig
from pulse_contracts.value_specs import value_problem

SET_LOCALLY: Final = "set locally"
MAX_REASON_CHARS: Final = 256

_log = get_logger("configuration")


class NotApplicableError(ValueError):
    """This value cannot be put into effect here; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class Knob:
    """What one key turns: `start` is the value the agent began with, `turn` puts another into effect.

    `turn` raises NotApplicableError, and has then changed nothing. `is_local`: the operator of the machine chose it.
    """

    start: Any
    turn: Callable[[Any], Awaitable[None]]
    is_local: bool = False


TakeCustom = Callable[[Mapping[str, Any]], Sequence[str]]
"""Takes the `custom.` keys in force; returns why some part of the agent did not take them."""


class LiveConfiguration:
    """Puts `entries()` into effect: whenever `changed` was called, while `run` runs, and when `apply` is awaited."""

    def __init__(
        self, knobs: Mapping[str, Knob], take_custom: TakeCustom, entries: Callable[[], Sequence[ConfigEntry]]
    ) -> None:
        self._knobs = knobs
        self._take_custom = take_custom
        self._entries = entries
        self._in_force: dict[str, Any] = {key: knob.start for key, knob in knobs.items()}
        self._custom: dict[str, Any] = {}
        self._custom_problem: str | None = None
        self._applied: tuple[AppliedConfig, ...] = ()
        self._listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._applying = asyncio.Lock()

    # -- what is in force -------------------------------------------------------------------------------------------

    def in_force(self, key: str) -> Any:
        """Return the value of a key that is in force; None when there is none."""
        return self._custom.get(key) if key.startswith(CUSTOM_PREFIX) else self._in_force.get(key)

    def applied(self) -> list[AppliedConfig]:
        """Return what became of each entry, for the report to the server."""
        return list(self._applied)

    def problem(self, key: str) -> str | None:
        """Say why the entry of a key is not in force; None when it is, or there is none."""
        return next((entry.error for entry in self._applied if entry.id.endswith(f"/{key}")), None)

    def on_applied(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when `applied` says something else."""
        self._listeners.append(listener)

    def is_local(self, key: str) -> bool:
        """Tell whether the operator of this machine has set the key."""
        knob = self._knobs.get(key)
        return knob is not None and knob.is_local

    # -- life -------------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """The entries may say something else."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Apply what changes until `stop`."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                changing = asyncio.create_task(self._changed.wait())
                await asyncio.wait({changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                if self._changed.is_set() and not stop.is_set():
                    await self.apply()
        finally:
            stopping.cancel()

    async def apply(self) -> None:
        """Put the entries into effect as they are now."""
        async with self._applying:
            self._changed.clear()
            entries = {entry.key: entry for entry in self._entries()}
            problems: dict[str, str | None] = {}
            for key, knob in self._knobs.items():
                problems[key] = await self._apply_knob(key, knob, entries.get(key))
            problems |= self._apply_custom(entries)
            self._note(tuple(_outcome(entry, problems) for entry in entries.values()))

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _apply_knob(self, key: str, knob: Knob, entry: ConfigEntry | None) -> str | None:
        """Put one key into effect; return why its entry is not."""
        if knob.is_local:
            return SET_LOCALLY
        wanted = knob.start if entry is None else entry.value
        if entry is not None and (problem := value_problem(BUILT_IN_KEYS[key], wanted)) is not None:
            return problem
        if wanted == self._in_force[key]:
            return None
        try:
            await knob.turn(wanted)
        except NotApplicableError as error:
            return str(error) or "cannot be put into effect"
        _log.info("configuration_changed", key=key, value=wanted, before=self._in_force[key])
        self._in_force[key] = wanted
        return None

    def _apply_custom(self, entries: Mapping[str, ConfigEntry]) -> dict[str, str | None]:
        custom = {key: entry.value for key, entry in entries.items() if key.startswith(CUSTOM_PREFIX)}
        changed = {key for key in custom.keys() | self._custom.keys() if custom.get(key) != self._custom.get(key)}
        if changed:
            self._custom = custom
            self._custom_problem = "; ".join(self._take_custom(custom)) or None
        return dict.fromkeys(custom, self._custom_problem)

    def _note(self, applied: tuple[AppliedConfig, ...]) -> None:
        if applied == self._applied:
            return
        for entry in applied:
            if entry.error is not None and entry not in self._applied:
                _log.warning("configuration_not_applied", entry=entry.id, version=entry.version, reason=entry.error)
        self._applied = applied
        for listener in self._listeners:
            listener()


def _outcome(entry: ConfigEntry, problems: Mapping[str, str | None]) -> AppliedConfig:
    known = entry.key in problems
    error = problems[entry.key] if known else "this agent does not know the key"
    return AppliedConfig(id=entry.id, version=entry.version, error=error and error[:MAX_REASON_CHARS])
