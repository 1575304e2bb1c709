"""Settings of ingest: the shared `PULSE_*` variables and its own `PULSE_INGEST_*`. Only `app.py` reads them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pulse_chassis.build_kind import refuse_in_production
from pulse_chassis.settings import ServiceSettings
from pulse_contracts.presence import SILENCE_SECONDS


class IngestSettings(ServiceSettings):
    """Everything that can be set."""

    ingest_session: Literal["durable", "ephemeral"] = Field(
        default="durable", description="durable: one machine, a restart loses nothing; ephemeral: autoscaled workers"
    )
    ingest_worker_id: str = Field(
        default="1", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="unique among the workers"
    )
    ingest_receive_maximum: int = Field(default=2_000, ge=1, le=65_535, description="QoS 1 messages in flight")
    ingest_waiting_bytes: int = Field(default=64 * 1024 * 1024, ge=64 * 1024, description="bytes of those in flight")
    ingest_live_messages: int = Field(default=5_000, ge=1, description="QoS 0 messages that may wait")
    ingest_live_bytes: int = Field(default=32 * 1024 * 1024, ge=256 * 1024, description="bytes of those")
    ingest_client_rows_per_second: float = Field(default=20_000.0, gt=0, description="rows a second of one client")
    ingest_client_burst_rows: float = Field(default=40_000.0, ge=1, description="rows at once of one client")
    ingest_max_metrics_per_client: int = Field(default=2_000, ge=1, description="different metrics of one client")
    ingest_http_readings_waiting: int = Field(default=20_000, ge=1, description="HTTP readings that may wait")
    ingest_silence_seconds: float = Field(
        default=SILENCE_SECONDS, gt=0, description="until a heartbeating client is offline"
    )
    ingest_plain_silence_seconds: float = Field(default=60.0, gt=0, description="until any other device is offline")
    ingest_records_kept_days: int = Field(
        default=400, ge=1, description="refused messages and offline periods older than this are deleted"
    )
    ingest_partitions_ahead: int = Field(default=7, ge=1, le=366, description="days")
    ingest_partitions_behind: int = Field(default=7, ge=0, le=366, description="days")
    ingest_storage_path: Path | None = Field(
        default=None, description="a directory on the database's volume, where that is this machine's"
    )
    ingest_storage_capacity_bytes: int | None = Field(
        default=None, ge=1, description="what the database may take, where its volume cannot be seen"
    )
    ingest_unsafe_disable: Annotated[
        Literal["dedupe", "ack_after_commit"] | None, AfterValidator(refuse_in_production)
    ] = Field(
        default=None,
        description="ONLY for the test that proves that the tests find it: duplicates, or lost readings, on purpose",
    )

    @property
    def records_kept(self) -> timedelta:
        """How long refused messages and offline periods are kept. Readings are kept as `/api/retention` says."""
        return timedelta(days=self.ingest_records_kept_days)
