"""Settings of sync: the shared `PULSE_*` variables and its own `PULSE_SYNC_*`. Only `app.py` reads them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr

from pulse_chassis.settings import ServiceSettings
from pulse_contracts.sync import LEASE_SECONDS, TOMBSTONE_SECONDS


class SyncSettings(ServiceSettings):
    """Everything that can be set."""

    sync_signing_key: SecretStr = Field(description="signs pages and leases: a private EC P-256 JWK as JSON, with kid")
    sync_seal_key: SecretStr = Field(description="opens what desktops seal: an X25519 private key in base 64")
    internal_key: SecretStr = Field(description="what services show each other under /internal")
    sync_worker_id: str = Field(default="1", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="unique among the workers")
    sync_receive_maximum: int = Field(default=500, ge=1, le=65_535, description="messages of desktops in flight")
    sync_concurrency: int = Field(default=64, ge=1, le=256, description="messages that are worked on at once")
    sync_compare_seconds: float = Field(default=60.0, gt=0, description="between two full comparisons of versions")
    sync_lease_seconds: int = Field(default=LEASE_SECONDS, ge=60, description="how long a user may sign in offline")
    sync_tombstone_seconds: int = Field(
        default=TOMBSTONE_SECONDS, ge=60, description="how long the end of a row, and the sync log, is kept"
    )

    @property
    def lease(self) -> timedelta:
        """How long a lease is good for."""
        return timedelta(seconds=self.sync_lease_seconds)

    @property
    def tombstones(self) -> timedelta:
        """How long ends of rows are kept."""
        return timedelta(seconds=self.sync_tombstone_seconds)
