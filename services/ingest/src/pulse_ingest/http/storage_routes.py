"""`GET /api/storage`: how much room readings take, how fast it fills, and how many days are left."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import UnavailableError
from pulse_contracts.permissions import Permission
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.domain.storage_use import StorageDay, StorageOutlook, StorageState
from pulse_ingest.use_cases.watch_storage import WatchStorage

Reader = Annotated[Principal, Depends(requires(Permission.SYSTEM_READ))]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class StorageClass(_Answer):
    """One class of data. Growth is null until there are measurements of two days."""

    name: Annotated[str, Field(description="raw, minute, hour, other (all else in the database), database (their sum)")]
    bytes: int
    bytes_per_day: float | None


class StorageMeasurement(_Answer):
    """One day's last measurement, in bytes."""

    day: date
    raw: int
    minute: int
    hour: int
    other: int
    used: int | None

    @classmethod
    def of(cls, day: StorageDay) -> StorageMeasurement:
        """Return the answer for a day."""
        return cls(day=day.day, raw=day.raw, minute=day.minute, hour=day.hour, other=day.other, used=day.used)


class StorageAnswer(_Answer):
    """How it stands."""

    state: Annotated[
        StorageState,
        Field(description="warning: 80 % used or 30 days left; critical: 95 % used; unknown: no size of the volume"),
    ]
    measured_at: datetime | None
    capacity_bytes: Annotated[int | None, Field(description="of the volume, or as configured")]
    used_bytes: Annotated[int | None, Field(description="of that, by whomever")]
    used_share: Annotated[float | None, Field(ge=0, description="used of the capacity")]
    used_bytes_per_day: float | None
    days_left: Annotated[float | None, Field(ge=0, description="null: nothing grows, or nobody knows")]
    classes: list[StorageClass]
    days: Annotated[list[StorageMeasurement], Field(description="at most the last 91, oldest first")]


class StorageRoutes:
    """The router and what its route needs."""

    def __init__(self, watch: WatchStorage) -> None:
        self.router = APIRouter(tags=["storage"])

        @self.router.get(
            "/api/storage", summary="See disk use and days left", responses={503: {"description": "Not measurable now"}}
        )
        async def read_storage(principal: Reader) -> StorageAnswer:
            """Return the newest measurement, the growth fitted over the last 30 days, and the days behind it."""
            del principal
            try:
                found, days = await watch.look()
            except DeferredError as error:
                message = "the database cannot be asked now"
                raise UnavailableError(message) from error
            return _answer(found, [StorageMeasurement.of(day) for day in days])


def _answer(found: StorageOutlook | None, days: list[StorageMeasurement]) -> StorageAnswer:
    now = None if found is None else found.now
    growth = None if found is None else found.growth
    return StorageAnswer(
        state=StorageState.UNKNOWN if found is None else found.state,
        measured_at=None if now is None else now.measured_at,
        capacity_bytes=None if now is None else now.capacity,
        used_bytes=None if now is None else now.used,
        used_share=None if found is None else found.share,
        used_bytes_per_day=None if growth is None else growth.used,
        days_left=None if found is None else found.days_left,
        classes=[
            StorageClass(
                name=name,
                bytes=getattr(now, name),
                bytes_per_day=None if growth is None else getattr(growth, name),
            )
            for name in ("raw", "minute", "hour", "other", "database")
            if now is not None
        ],
        days=days,
    )
