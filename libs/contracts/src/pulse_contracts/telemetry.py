"""Telemetry as it travels: every wire form that a device may send, and the limits of each value.

These models are the contract (their JSON Schemas are committed in `schemas/`). A hot path may parse faster by other
means, but must accept and refuse exactly what these do. A boolean is never a number here, a number is a finite double
or a 64-bit integer, and unknown fields are ignored, because devices in the field outlive our opinions.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from pulse_contracts.ids import MAX_SEQUENCE, ClientIdField, MetricKeyField

MAX_METRICS: Final = 64
"""Metrics in one reading; more is a device gone wrong."""
MAX_TEXT: Final = 256
"""Characters of a status text."""
MAX_MESSAGE_BYTES: Final = 256 * 1024
"""Bytes of one message; the broker is told the same limit."""
MAX_RUN_ROWS: Final = 500
"""Rows of one buffer run (delivery.md, the client, 3)."""
MAX_RUN_BYTES: Final = 128 * 1024
"""Bytes of one buffer run that our agent sends (delivery.md, the client, 3)."""
MAX_HTTP_READINGS: Final = 1000
"""Readings of one POST /api/telemetry."""
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


def _is_finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a number must be finite")
    return value


def _is_no_integer(value: object) -> object:
    """Keep an integer beyond 64 bits from passing as a double that lost its digits."""
    if isinstance(value, int):
        raise ValueError("an integer must fit into 64 bits")
    return value


def _has_no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a text must not hold NUL")
    return value


Whole = Annotated[StrictInt, Field(ge=INT64_MIN, le=INT64_MAX)]
Decimal = Annotated[StrictFloat, BeforeValidator(_is_no_integer), AfterValidator(_is_finite)]
Text = Annotated[StrictStr, Field(max_length=MAX_TEXT), AfterValidator(_has_no_nul)]
MetricValue = StrictBool | Whole | Decimal | Text
Metrics = Annotated[dict[MetricKeyField, MetricValue], Field(min_length=1, max_length=MAX_METRICS)]
SequenceField = Annotated[StrictInt, Field(ge=0, le=MAX_SEQUENCE)]
LedgerSequence = Annotated[StrictInt, Field(ge=1, le=MAX_SEQUENCE)]
EpochField = Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
RecordedAtUs = Annotated[StrictInt, Field(ge=INT64_MIN, le=INT64_MAX, description="Unix time in microseconds, UTC")]
Timestamp = Annotated[
    str | int,
    Field(description="ISO 8601 (without a zone: UTC), or Unix time in milliseconds"),
]
ApiKey = Annotated[str, Field(max_length=256, description="checked, and stripped before anything is stored")]


class WireModel(BaseModel):
    """A payload from elsewhere: unknown fields are ignored, known ones are checked."""

    # Built at its first use: a process holds only what it speaks of, an agent 0.6 MB less.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class DesktopReading(WireModel):
    """`telemetry/{client_id}/live`, the named form: one reading with its sequence and several metrics.

    With `epoch` it enters the ledger; without, it is a plain reading, stored idempotently by series, time and sequence.
    """

    client_id: ClientIdField
    metrics: Metrics
    timestamp: Timestamp | None = None
    sequence_no: SequenceField | None = None
    epoch: EpochField | None = None
    source: Annotated[str, Field(max_length=64)] | None = None
    api_key: ApiKey | None = None

    @model_validator(mode="after")
    def _epoch_needs_a_sequence(self) -> DesktopReading:
        if self.epoch is not None and not self.sequence_no:
            raise ValueError("an epoch needs a sequence_no of at least 1")
        return self


class SingleMetricReading(WireModel):
    """`telemetry/{client_id}/live`, one metric: exactly one of the three values is given."""

    client_id: ClientIdField
    metric_name: MetricKeyField
    value_numeric: Whole | Decimal | None = None
    value_boolean: StrictBool | None = None
    value_text: Text | None = None
    timestamp: Timestamp | None = None
    sequence_no: SequenceField | None = None
    api_key: ApiKey | None = None

    @model_validator(mode="after")
    def _exactly_one_value(self) -> SingleMetricReading:
        given = [v for v in (self.value_numeric, self.value_boolean, self.value_text) if v is not None]
        if len(given) != 1:
            raise ValueError("exactly one of value_numeric, value_boolean and value_text is needed")
        return self


FLAT_RESERVED: Final = frozenset({"device_id", "client_id", "api_key", "timestamp", "sequence_no"})
"""Fields of the flat form that are not metrics."""


class FlatReading(BaseModel):
    """`devices/{device_id}/data`: flat JSON; every field that is not reserved is a metric."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    __pydantic_extra__: dict[MetricKeyField, MetricValue]

    device_id: ClientIdField
    client_id: ClientIdField | None = None
    api_key: ApiKey | None = None
    timestamp: Timestamp | None = None
    sequence_no: SequenceField | None = None

    @model_validator(mode="after")
    def _has_metrics(self) -> FlatReading:
        count = len(self.__pydantic_extra__)
        if not 1 <= count <= MAX_METRICS:
            raise ValueError(f"between 1 and {MAX_METRICS} metrics are needed, {count} given")
        return self


class AppReading(WireModel):
    """`app/device/{device_id}/telemetry`: metrics under `telemetry`; the topic says who. Over HTTP `device_id` does."""

    telemetry: Metrics
    timestamp: Timestamp | None = None
    sequence_no: SequenceField | None = None
    device_id: ClientIdField | None = None
    api_key: ApiKey | None = None


class BufferRun(WireModel):
    """`telemetry/{client_id}/buffer` (and `live` from our agent): a contiguous run from sequence `first` on."""

    v: Literal[1]
    epoch: EpochField
    first: LedgerSequence
    rows: Annotated[list[tuple[RecordedAtUs, Metrics]], Field(min_length=1, max_length=MAX_RUN_ROWS)]

    @model_validator(mode="after")
    def _fits_the_sequence(self) -> BufferRun:
        if self.first + len(self.rows) - 1 > MAX_SEQUENCE:
            raise ValueError("the run leaves the range of sequences")
        return self


class LossDeclaration(WireModel):
    """`telemetry/{client_id}/buffer`: closed ranges that the client dropped by its policy, each with its reason."""

    v: Literal[1]
    epoch: EpochField
    lost: Annotated[
        list[tuple[LedgerSequence, LedgerSequence, Annotated[str, Field(min_length=1, max_length=32)]]],
        Field(min_length=1, max_length=MAX_RUN_ROWS),
    ]

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> LossDeclaration:
        if any(low > high for low, high, _ in self.lost):
            raise ValueError("a range's first sequence must not be above its last")
        return self


PlainReading = DesktopReading | SingleMetricReading | FlatReading | AppReading
"""The object forms that POST /api/telemetry takes, one or an array of up to 1,000."""
