"""The agent's options, from PULSE_AGENT_* in the environment; the command line's own options go over them."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pulse_agent.domain.quota import MIB, Overflow, Quota


def default_data() -> Path:
    """Return where the agent keeps its files unless told otherwise: by the system's custom for programs' data."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "PrecisionPulse" / "agent"
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "precisionpulse-agent"


PREFIX: Final = "PULSE_AGENT_"


class AgentOptions(BaseModel):
    """PULSE_AGENT_DATA, _INTERVAL, _SOURCES (separated by `;`), quota and log options.

    `model_fields_set` tells which of them somebody gave. Read by hand: pydantic-settings alone would cost the agent
    8 MB of memory.
    """

    model_config = ConfigDict(extra="forbid")

    data: Path = Field(default_factory=default_data)
    interval: float = Field(default=1.0, gt=0)
    sources: str = "host"
    max_mb: int = Field(default=1024, ge=1)
    max_age_hours: float | None = Field(default=None, gt=0)
    free_floor_mb: int = Field(default=128, ge=0)
    ballast_mb: int = Field(default=4, ge=0)
    overflow: Overflow = Overflow.DROP_OLDEST
    overflow_by_channel: dict[str, Overflow] = Field(default_factory=dict)
    log_level: str = "INFO"
    log_format: str = Field(default="console", pattern="^(json|console)$")

    updates: str = Field(default="download", pattern="^(off|tell|download)$")
    """What is done about newer releases, as the key `updates.mode` says it."""
    downloads: Path | None = None
    """Where a release is downloaded to; None: the user's downloads."""
    release_keys: Path | None = None
    """Whose releases are believed, a JWK set; None: the keys that were built in."""
    await_enrolment: bool = False
    """Without an enrolment, wait for a window to enrol this machine, instead of ending."""
    disabled_commands: frozenset[str] = frozenset()
    """Commands that this machine never executes, whoever sends them."""

    @field_validator("overflow_by_channel", "disabled_commands", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        """In the environment these are JSON."""
        return json.loads(value) if isinstance(value, str) else value

    @classmethod
    def read(cls, **given: object) -> Self:
        """Return what the environment says, under what is given here. Raises pydantic's ValidationError."""
        names = {name: f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        found = {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}
        return cls.model_validate(found | given)

    def source_texts(self) -> list[str]:
        """Return the sources, each as `name` or `name:key=value,…`."""
        return [text for part in self.sources.split(";") if (text := part.strip())]

    def quota(self) -> Quota:
        """Return the limits of the outbox."""
        return Quota(
            max_bytes=self.max_mb * MIB,
            max_age=timedelta(hours=self.max_age_hours) if self.max_age_hours else None,
            free_floor_bytes=self.free_floor_mb * MIB,
            overflow=self.overflow,
            overflow_by_channel=dict(self.overflow_by_channel),
            ballast_bytes=self.ballast_mb * MIB,
        )
