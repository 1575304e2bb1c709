"""A configuration entry as it concerns this device, and where such entries come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """The entry that wins for a key: `id` as `pulse_contracts.configuration.config_id`, `version` of that row."""

    id: str
    key: str
    value: Any
    version: int


class ConfigSource(Protocol):
    """Keeps the configuration on this disk: the replica."""

    def effective(self) -> Sequence[ConfigEntry]:
        """Return the winning entry of each key, with local edits that the server has not answered on top."""
        ...

    def on_config(self, listener: Callable[[], None]) -> None:
        """Have `listener` called in the event loop whenever `effective` may say something else."""
        ...

    async def edit_config(self, key: str, value: Any, actor: UUID) -> None:
        """Set a key for this device: `effective` has it on return, and it goes up as an operation by `actor`."""
        ...
