"""What a dashboard may hold: widgets by kind, where each stands at each width, and how much of everything.

What was once accepted stays accepted: a bound may be widened and a field with a default added, nothing else changes.
Devices and metrics are names only. Whoever opens the dashboard sees of them what they may see; a device that is gone
leaves an empty widget, not a broken document.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pulse_contracts.ids import ClientIdField, MetricKeyField

MAX_WIDGETS: Final = 64
MAX_DASHBOARD_BYTES: Final = 256 * 1024
COLUMNS: Final = 24
"""Of the widest grid; a narrower layout uses fewer."""
MAX_ROWS: Final = 2_000
MONTH_SECONDS: Final = 31 * 86_400

WidgetId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
Line = Annotated[str, StringConstraints(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
Unit = Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\x00-\x1f\x7f]*$")]
Prose = Annotated[str, StringConstraints(max_length=8_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Group = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Severity = Literal["info", "warning", "critical"]
Breakpoint = Literal["lg", "md", "sm", "xs"]


class Part(BaseModel):
    """A part of the document: an unknown field is a mistake that must not go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """One metric of one device."""

    device_id: ClientIdField
    metric: MetricKeyField
    label: Line | None = None


class Series(Source):
    """A source as a line of a chart; `color` is one of the palette's slots, so that it fits every theme."""

    color: Annotated[int, Field(ge=0, le=15)] | None = None
    axis: Literal["left", "right"] = "left"


class Mark(Part):
    """From this value on the level is another."""

    at: Finite
    level: Literal["ok", "info", "warning", "critical"]


class Choice(Part):
    """Which devices; an empty list means all in the reader's scope."""

    device_ids: Annotated[list[ClientIdField], Field(max_length=200)] = []
    groups: Annotated[list[Group], Field(max_length=50)] = []


class Widget(Part):
    """What every widget has; `id` is unique within its dashboard and named by the layouts."""

    id: WidgetId
    title: Line | None = None


class KpiWidget(Widget):
    """Figures of `GET /api/dashboard/summary`."""

    kind: Literal["kpi"]
    figures: Annotated[
        list[
            Literal[
                "active_devices", "offline_devices", "devices", "buffered_records", "system_status", "last_sync",
                "last_seen", "active_alerts", "storage",
            ]
        ],
        Field(min_length=1, max_length=12),
    ]  # fmt: skip


class ValueWidget(Widget):
    """One value, large, with or without the line of its last minutes."""

    kind: Literal["value"]
    source: Source
    unit: Unit | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    has_sparkline: bool = True
    marks: Annotated[list[Mark], Field(max_length=8)] = []


class ChartWidget(Widget):
    """Lines that slide; `window_seconds` wide. With `interval_seconds` the history behind them is aggregated."""

    kind: Literal["chart"]
    series: Annotated[list[Series], Field(max_length=24)]
    style: Literal["line", "area", "step", "bars", "points"] = "line"
    window_seconds: Annotated[int, Field(ge=10, le=MONTH_SECONDS)] = 600
    interval_seconds: Annotated[int, Field(ge=1, le=MONTH_SECONDS)] | None = None
    agg: Literal["avg", "min", "max", "sum", "count", "last", "first", "median", "difference"] = "avg"
    y_min: Finite | None = None
    y_max: Finite | None = None
    unit: Unit | None = None
    has_legend: bool = True
    marks: Annotated[list[Mark], Field(max_length=8)] = []


class GaugeWidget(Widget):
    """One value between two bounds."""

    kind: Literal["gauge"]
    source: Source
    low: Finite = 0.0
    high: Finite = 100.0
    unit: Unit | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    shape: Literal["arc", "bar"] = "arc"
    marks: Annotated[list[Mark], Field(max_length=8)] = []

    @model_validator(mode="after")
    def _has_a_range(self) -> GaugeWidget:
        if self.low >= self.high:
            message = "`low` must be below `high`"
            raise ValueError(message)
        return self


class IndicatorWidget(Widget):
    """One boolean or text value as a lamp with a word; `alarm_on` says which value is the bad one."""

    kind: Literal["indicator"]
    source: Source
    on_label: Line = "on"
    off_label: Line = "off"
    alarm_on: bool | None = None


class AlertsWidget(Widget):
    """The latest alarms."""

    kind: Literal["alerts"]
    choice: Choice = Choice()
    severity: Annotated[list[Severity], Field(max_length=3)] = []
    states: Annotated[list[Literal["active", "acknowledged", "cleared"]], Field(max_length=3)] = []
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class DevicesWidget(Widget):
    """Devices with their status, freshness and buffered count."""

    kind: Literal["devices"]
    choice: Choice = Choice()
    limit: Annotated[int, Field(ge=1, le=200)] = 20


class TableWidget(Widget):
    """Latest values: a row for each source, or for each device of a choice with these metrics as columns."""

    kind: Literal["table"]
    sources: Annotated[list[Source], Field(max_length=100)] = []
    choice: Choice | None = None
    metrics: Annotated[list[MetricKeyField], Field(max_length=16)] = []
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class CommandsWidget(Widget):
    """The latest commands and how they ended."""

    kind: Literal["commands"]
    choice: Choice = Choice()
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class TextWidget(Widget):
    """A heading or a note in plain text; whoever shows it must not read it as HTML."""

    kind: Literal["text"]
    text: Prose
    size: Literal["small", "normal", "large"] = "normal"


AnyWidget = Annotated[
    KpiWidget
    | ValueWidget
    | ChartWidget
    | GaugeWidget
    | IndicatorWidget
    | AlertsWidget
    | DevicesWidget
    | TableWidget
    | CommandsWidget
    | TextWidget,
    Field(discriminator="kind"),
]


class Place(Part):
    """Where a widget stands on a grid, in columns and rows from the upper left."""

    i: Annotated[WidgetId, Field(description="the widget's id")]
    x: Annotated[int, Field(ge=0, lt=COLUMNS)]
    y: Annotated[int, Field(ge=0, le=MAX_ROWS)]
    w: Annotated[int, Field(ge=1, le=COLUMNS)]
    h: Annotated[int, Field(ge=1, le=100)]


Layout = Annotated[list[Place], Field(max_length=MAX_WIDGETS)]


class DashboardDocument(Part):
    """The widgets and their places; a width without a layout of its own is laid out by whoever shows it."""

    widgets: Annotated[list[AnyWidget], Field(max_length=MAX_WIDGETS)] = []
    layouts: dict[Breakpoint, Layout] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> DashboardDocument:
        names = [widget.id for widget in self.widgets]
        known = set(names)
        if len(known) < len(names):
            message = "two widgets have the same id"
            raise ValueError(message)
        for width, places in self.layouts.items():
            placed = [place.i for place in places]
            if len(set(placed)) < len(placed):
                message = f"a widget is placed twice in the layout {width}"
                raise ValueError(message)
            if not known.issuperset(placed):
                message = f"the layout {width} places a widget that is not there"
                raise ValueError(message)
        return self
