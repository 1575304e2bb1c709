"""Settings of commands: the shared `PULSE_*` variables and its own `PULSE_COMMANDS_*`. Only `app.py` reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr

from pulse_chassis.settings import ServiceSettings
from pulse_commands.domain.asking import Patience


class CommandsSettings(ServiceSettings):
    """Everything that can be set."""

    commands_signing_key: SecretStr = Field(description="signs commands: a private EC P-256 JWK as JSON, with kid")
    commands_session: Literal["durable", "ephemeral"] = Field(
        default="durable", description="durable: a restart loses no report; ephemeral: autoscaled workers"
    )
    commands_worker_id: str = Field(
        default="1", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="unique among the workers"
    )
    commands_receive_maximum: int = Field(default=500, ge=1, le=65_535, description="reports in flight")
    commands_most_waiting: int = Field(default=100, ge=1, description="commands of a device that have not ended")
    commands_poll_seconds: float = Field(default=1.0, gt=0, description="between two looks at all devices")
    commands_grace_seconds: float = Field(
        default=60.0, gt=0, description="after its expiry, until an unanswered command counts as unknown"
    )
    commands_silence_seconds: float = Field(
        default=300.0, gt=0, description="likewise for one that runs, since the device's last word"
    )
    commands_retry_seconds: float = Field(
        default=2.0, gt=0, description="until an unanswered command is published again; then twice as long each time"
    )
    commands_longest_retry_seconds: float = Field(default=30.0, gt=0, description="up to this")
    commands_unknown_retry_seconds: float = Field(
        default=600.0, gt=0, description="between two questions about an unknown command to a device that is there"
    )
    commands_unknown_days: float = Field(default=7.0, gt=0, description="for which a device is asked for it")
    commands_kept_days: int = Field(default=365, ge=1, description="for which ended commands are kept")
    commands_refusals_kept_days: int = Field(default=90, ge=1, description="for which refusals are kept")

    @property
    def patience(self) -> Patience:
        """When to publish again, and when to stop hoping."""
        return Patience(
            grace=timedelta(seconds=self.commands_grace_seconds),
            silence=timedelta(seconds=self.commands_silence_seconds),
            retry=timedelta(seconds=self.commands_retry_seconds),
            longest_retry=timedelta(seconds=max(self.commands_retry_seconds, self.commands_longest_retry_seconds)),
            unknown_retry=timedelta(seconds=self.commands_unknown_retry_seconds),
            unknown_for=timedelta(days=self.commands_unknown_days),
        )
