"""The agent's options, from PULSE_AGENT_* in the environment; the command line's own options go over them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pulse_agent.domain.quota import MIB, Overflow, Quota


def default_data() -> Path:
    """Return where the agent keeps its files unless told otherwise: by the system's custom for programs' data."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "PrecisionPulse" / "agent"
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "precisionpulse-agent"


class AgentOptions(BaseSettings):
    """PULSE_AGENT_DATA, _INTERVAL, _SOURCES (separated by `;`), quota and log options."""

    model_config = SettingsConfigDict(env_prefix="PULSE_AGENT_", extra="ignore")

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
