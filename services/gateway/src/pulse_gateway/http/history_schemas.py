"""What `/api/telemetry/history` takes and gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from pulse_chassis.errors import InvalidError
from pulse_contracts.frames import LivePosition
from pulse_contracts.ids import ClientIdField, MetricKeyField
from pulse_contracts.telemetry import MetricValue
from pulse_gateway.domain.aggregates import Aggregate, Fill, Kind
from pulse_gateway.domain.history import MAX_PAGE
from pulse_gateway.domain.interval import BadIntervalError, Interval, microseconds, nice_interval
from pulse_gateway.domain.rollup_plan import Resolution
from pulse_gateway.domain.series_query import DEFAULT_POINTS, MAX_DEVICES, SeriesQuestion
from pulse_gateway.domain.thinning import Thinning
from pulse_gateway.domain.time_zones import checked_time_zone
from pulse_gateway.http.schemas import Cursor, Moment, Query

MAX_POINTS: Final = 50_000
_DEFAULT_RANGE: Final = timedelta(hours=24)
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _separated(given: object) -> object:
    """Take a list that is repeated, separated by commas, or both."""
    if not isinstance(given, list):
        return given
    return [part for text in given for part in (text.split(",") if isinstance(text, str) else [text])]


DeviceIds = Annotated[
    list[ClientIdField],
    Field(min_length=1, max_length=MAX_DEVICES, description="repeat it, or separate by commas", examples=[["PUMP-7"]]),
    BeforeValidator(_separated),
]
TimeZone = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(checked_time_zone), Field(examples=["Europe/Berlin"])
]
MetricKeys = Annotated[
    list[MetricKeyField],
    Field(min_length=1, max_length=64, description="default: all", examples=[["temperature"]]),
    BeforeValidator(_separated),
]
Aggregates = Annotated[
    list[Aggregate],
    Field(
        min_length=1,
        max_length=len(Aggregate),
        description="what is told of each interval; several at once. A boolean counts as 0 or 1; a text has count, first"
        " and last only. `difference` is the last value above the last one before the interval",
        examples=[["avg", "max"]],
    ),
    BeforeValidator(_separated),
]


class RangeParameters(Query):
    """Which readings: of what, from when to when, in whose clock."""

    device_id: DeviceIds
    metric: MetricKeys | None = None
    from_: Annotated[
        datetime | None,
        Field(alias="from", description="included; ISO 8601 or Unix time (s or ms)", examples=["2026-11-21T06:00:00Z"]),
    ] = None
    to: Annotated[
        datetime | None,
        Field(description="excluded; ISO 8601 or Unix time (s or ms)", examples=["2026-11-21T18:00:00Z"]),
    ] = None
    tz: Annotated[TimeZone, Field(description="name of a time zone")] = "UTC"


class SeriesParameters(RangeParameters):
    """Which readings, and how they are put together."""

    interval: Annotated[
        str | None,
        Field(
            pattern=r"^[1-9][0-9]{0,5}(s|m|h|d|w|mo)$",
            description="a number and s, m, h, d, w or mo; days, weeks and months are those of `tz`",
            examples=["5m"],
        ),
    ] = None
    agg: Aggregates | None = None
    fill: Annotated[Fill, Field(description="what stands for an interval without readings; none: it is left out")] = (
        Fill.NULL
    )


class HistoryParameters(SeriesParameters):
    """Which stored readings: with `interval`, `agg` or `max_points` as series, else one by one, page by page."""

    max_points: Annotated[
        int | None, Field(ge=2, le=MAX_POINTS, description="at most so many points of each series")
    ] = None
    downsample: Annotated[Thinning, Field(description="how those points are chosen")] = Thinning.LTTB
    order: Annotated[Literal["asc", "desc"], Field(description="of single readings")] = "desc"
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="single readings a page")] = 500
    cursor: Cursor | None = None

    @property
    def is_for_series(self) -> bool:
        """Whether series are asked for, not single readings."""
        return self.interval is not None or self.agg is not None or self.max_points is not None


class HistoryItem(BaseModel):
    """One stored value."""

    device_id: str
    metric: str
    ts: Annotated[int, Field(description="recorded_at, Unix ms")]
    recorded_at: Moment
    received_at: Moment
    value: MetricValue
    quality: str
    epoch: int
    sequence_no: int


class HistoryPageReply(BaseModel):
    """A page of stored readings by time; `live` was taken before the query."""

    device_ids: list[str]
    items: list[HistoryItem]
    next_cursor: str | None
    live: LivePosition


class SeriesItem(BaseModel):
    """One series: rows of a moment in Unix ms (the start of an interval in `tz`), then the other columns."""

    device_id: str
    metric: str
    kind: Kind
    source: Annotated[Resolution, Field(description="the coarsest of what it was read from")]
    resolution_ms: Annotated[int, Field(description="how exact the moments of thinned points are; 0: as recorded")]
    columns: list[str]
    points: list[list[MetricValue | None]]


class SkippedItem(BaseModel):
    """A series that was left out."""

    device_id: str
    metric: str
    reason: str


class SeriesReply(BaseModel):
    """Series; `live` was taken before the query."""

    from_: Annotated[int, Field(alias="from", description="Unix ms")]
    to: Annotated[int, Field(description="Unix ms")]
    interval: Annotated[str | None, Field(description="as asked for, or chosen; null: thinned")]
    tz: str
    downsample: Annotated[Thinning | None, Field(description="null: not thinned")]
    series: list[SeriesItem]
    skipped: Annotated[list[SkippedItem], Field(description="of these, what was asked for cannot be told")]
    live: LivePosition


def aware(given: datetime | None) -> datetime | None:
    """Take a time without a zone as UTC."""
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given


def range_of(asked: RangeParameters, now: datetime) -> tuple[int, int]:
    """Return the range in microseconds: to now, and from a day before its end, unless said. Raises InvalidError."""
    end = aware(asked.to) or now
    start = aware(asked.from_) or end - _DEFAULT_RANGE
    if not _EARLIEST <= start < end <= _LATEST:
        message = "`from` lies before `to`, and both between 1970 and 2200"
        raise InvalidError(message, code="bad_range", field="query.from")
    return microseconds(start), microseconds(end)


def series_question(asked: SeriesParameters, now: datetime) -> SeriesQuestion:
    """Return the question for series. Raises InvalidError."""
    start, end = range_of(asked, now)
    max_points = asked.max_points if isinstance(asked, HistoryParameters) else None
    interval = None
    if asked.interval is not None:
        interval = _interval(asked.interval)
    elif asked.agg is not None:
        interval = nice_interval(end - start, max_points or DEFAULT_POINTS)
    return SeriesQuestion(
        device_ids=tuple(dict.fromkeys(asked.device_id)),
        metrics=None if asked.metric is None else tuple(dict.fromkeys(asked.metric)),
        start_us=start,
        end_us=end,
        zone=ZoneInfo(asked.tz),
        interval=interval,
        aggregates=tuple(dict.fromkeys(asked.agg or [Aggregate.AVG])),
        fill=asked.fill,
        max_points=max_points,
        thinning=asked.downsample if isinstance(asked, HistoryParameters) else Thinning.LTTB,
    )


def _interval(text: str) -> Interval:
    try:
        return Interval.parse(text)
    except BadIntervalError:
        message = "an interval is a number and s, m, h, d, w or mo"
        raise InvalidError(message, code="bad_interval", field="query.interval") from None
