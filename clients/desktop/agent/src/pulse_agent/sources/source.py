"""What a source of readings is, and how plug-ins are found.

A plug-in is an entry point of the group `pulse_agent.sources`: a function that takes `SourceOptions` and returns a
`Source`. Its name is the name of the source, and of the channel that its readings go by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

from pulse_agent.domain.reading import Value
from pulse_chassis.clock import Clock

PLUGIN_GROUP: Final = "pulse_agent.sources"


class Emit(Protocol):
    """Takes one reading; returns when it is on the disk, True, or was refused, False (logged and declared lost)."""

    async def __call__(self, metrics: Mapping[str, Value], recorded_at: datetime | None = None) -> bool:
        """Store a reading of this moment, or of `recorded_at`."""
        ...


class Source(Protocol):
    """Makes readings until it is stopped. Raising restarts it, with backoff; it never ends the agent."""

    @property
    def name(self) -> str:
        """Name of the source and of its channel."""
        ...

    async def run(self, emit: Emit, stop: asyncio.Event) -> None:
        """Emit readings; return when `stop` is set."""
        ...


@runtime_checkable
class HasInterval(Protocol):
    """A source on a timer that can be changed while it runs."""

    def change_interval(self, seconds: float) -> None:
        """Sample every `seconds` from now on."""
        ...


@runtime_checkable
class TakesConfiguration(Protocol):
    """A source that asks for the configuration keys under `custom.`."""

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take the values in force, all of them, now and whenever one changes. A ValueError says why not, in words."""
        ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a plug-in gets: the interval it should sample at, its own settings, the agent's folder, the time."""

    interval: float
    data: Path
    clock: Clock
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class UnknownSourceError(Exception):
    """No plug-in of that name is installed."""


def create_source(name: str, options: SourceOptions) -> Source:
    """Return the source that the plug-in `name` makes. Raises UnknownSourceError."""
    found = entry_points(group=PLUGIN_GROUP, name=name)
    if not found:
        known = ", ".join(sorted({point.name for point in entry_points(group=PLUGIN_GROUP)})) or "none"
        raise UnknownSourceError(f"there is no source {name!r}; installed: {known}")
    source: Source = next(iter(found)).load()(options)
    return source


def parse_source(text: str) -> tuple[str, dict[str, str]]:
    """Read `name` or `name:key=value,key=value`, as the command line gives it."""
    name, _, rest = text.partition(":")
    pairs = (pair.partition("=") for pair in rest.split(",") if pair)
    return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}
