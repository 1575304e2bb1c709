"""What the gateway's own routes take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from pulse_contracts.frames import LivePosition
from pulse_contracts.telemetry import MetricValue
from pulse_gateway.domain.summary import Summary

Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(), return_type=str)]
Cursor = Annotated[str, Field(max_length=256)]


class Query(BaseModel):
    """Query parameters; one that is not known is an error, because a misspelt filter would show too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LatestParameters(Query):
    """Which latest values."""

    device_ids: Annotated[
        list[str] | None,
        Field(
            max_length=200, description="repeat it, or separate by commas; default: all in scope", examples=[["PUMP-7"]]
        ),
    ] = None
    metrics: Annotated[
        list[str] | None,
        Field(max_length=64, description="repeat it, or separate by commas", examples=[["temperature"]]),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="devices a page")] = 200
    cursor: Cursor | None = None


class LatestItem(BaseModel):
    """The newest value of one metric of one device."""

    device_id: str
    metric: str
    ts: Annotated[int, Field(description="recorded_at, Unix ms")]
    value: MetricValue
    quality: str


class LatestPage(BaseModel):
    """A page of latest values, by device; `live` is where a socket can go on from."""

    items: list[LatestItem]
    next_cursor: str | None
    live: LivePosition


class SummaryReply(Summary):
    """The KPI cards; `live` is where the topic `system` goes on."""

    live: LivePosition
