"""The figures on top of the dashboard, as REST and the `system` topic give them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class PartState(BaseModel):
    """Whether one part of the system is there."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    detail: Annotated[str | None, Field(description="what is wrong, in short")] = None


class StorageState(BaseModel):
    """How much room there is for readings, as ingest measured it last."""

    model_config = ConfigDict(frozen=True)

    state: Annotated[
        str,
        Field(
            description="ok, warning (80 % used or 30 days left), critical (95 % used), unknown (no size to be seen)"
        ),
    ]
    days_left: Annotated[float | None, Field(description="null: nothing grows, or nobody knows")]
    used_share: Annotated[float | None, Field(description="0 to 1, of the volume")]
    measured_at: Annotated[int, Field(description="Unix ms")]


class Summary(BaseModel):
    """The KPI cards. Devices are counted within the caller's scope only."""

    model_config = ConfigDict(frozen=True)

    active_devices: Annotated[int, Field(description="enabled and ONLINE")]
    devices: Annotated[int, Field(description="registered")]
    offline_devices: int
    buffered_records: Annotated[int, Field(description="readings that clients still hold, by their own account")]
    last_seen: Annotated[int | None, Field(description="Unix ms of the newest sign of life of any of these devices")]
    last_sync: Annotated[int | None, Field(description="Unix ms; null until one of these desktops has synchronised")]
    system_status: Annotated[
        Literal["ok", "degraded"], Field(description="degraded: at least one of `parts` is not ok")
    ]
    parts: dict[str, PartState]
    storage: Annotated[StorageState | None, Field(description="null: not measured yet")] = None
