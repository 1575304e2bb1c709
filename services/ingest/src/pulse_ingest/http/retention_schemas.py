"""The shapes of requests and answers about retention."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pulse_ingest.domain.retention import KeptDays, RetentionRule

MAX_DAYS = 36_500
Days = Annotated[
    int | None, Field(ge=1, le=MAX_DAYS, strict=True, description="whole days (UTC) before today; null: for ever")
]


class RetentionBody(BaseModel):
    """How long a scope's data is kept; coarser data at least as long as finer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    raw_days: Days
    minute_days: Days = None
    hour_days: Days = None

    def kept(self) -> KeptDays:
        """Return the days."""
        return KeptDays(self.raw_days, self.minute_days, self.hour_days)


class RetentionAnswer(BaseModel):
    """One rule. Of those that fit a series the most specific holds: device and metric, device, metric, all."""

    model_config = ConfigDict(frozen=True)

    device_id: Annotated[str | None, Field(description="null: every device")]
    metric: Annotated[str | None, Field(description="null: every metric")]
    raw_days: int | None
    minute_days: int | None
    hour_days: int | None
    version: int
    updated_at: datetime
    updated_by: str | None

    @classmethod
    def of(cls, rule: RetentionRule) -> RetentionAnswer:
        """Return the answer for a rule."""
        return cls(
            device_id=rule.scope.device_id,
            metric=rule.scope.metric,
            raw_days=rule.kept.raw,
            minute_days=rule.kept.minute,
            hour_days=rule.kept.hour,
            version=rule.version,
            updated_at=rule.updated_at,
            updated_by=rule.updated_by,
        )


class RetentionList(BaseModel):
    """All rules that the caller may see."""

    model_config = ConfigDict(frozen=True)

    items: list[RetentionAnswer]
