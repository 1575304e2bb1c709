"""What one agent is made of, as plain values: the command line fills this from files, the simulator by hand."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pulse_agent.domain.quota import Quota
from pulse_agent.domain.schedule import LIVE_PATIENCE_SECONDS
from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import ClientId

OUTBOX_FILE: Final = "outbox.db"
RETRY_FIRST_SECONDS: Final = 1.0
RETRY_CEILING_SECONDS: Final = 300.0
"""Backoff of the buffer path without any progress (delivery.md, the client, 5)."""


def agent_version() -> str:
    """Return the version of this program."""
    try:
        return version("pulse-agent")
    except PackageNotFoundError:  # run from a packaged build without metadata
        return "0"


def new_instance() -> str:
    """Return a name for this run of the agent: random, so that a clone of the disk is not taken for us."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One agent: its database, its account, its limits. `endpoint` None only keeps readings, connecting nowhere."""

    outbox_path: Path
    client_id: ClientId
    endpoint: MqttEndpoint | None = None
    quota: Quota = field(default_factory=Quota)
    version: str = field(default_factory=agent_version)
    instance: str = field(default_factory=new_instance)
    live_patience: float = LIVE_PATIENCE_SECONDS
