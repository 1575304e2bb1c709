"""What a rule watches for: the six kinds of condition, as they are written, checked and stored.

Times are seconds, by the readings' own time, but for no data, which is by ours. A boolean is not a number: a numeric
operator passes booleans and texts over, as if they had not come.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from pulse_contracts.telemetry import Decimal, Text, Whole

MAX_SECONDS: Final = 7 * 86_400.0
"""The longest duration or window: a week."""
Number = Whole | Decimal
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]
Operator = Literal[">", ">=", "<", "<=", "==", "!=", "between", "outside", "contains", "in"]
ONE_SIDED: Final = frozenset({">", ">=", "<", "<="})
TWO_SIDED: Final = frozenset({"between", "outside"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Test(_Part):
    """What is asked of one value.

    `>`, `>=`, `<`, `<=`, `between` (ends included) and `outside` are for numbers; `==` and `!=` for a number, a boolean
    or a text; `contains` and `in` for texts. A clear level makes an alarm last until the value is beyond it as well: it
    is tested instead of the level while the alarm stands.
    """

    __test__ = False

    operator: Operator
    value: StrictBool | Number | Text | None = None
    low: Number | None = None
    high: Number | None = None
    values: Annotated[list[Text], Field(max_length=100)] = []
    clear_value: Annotated[Number | None, Field(description="for one-sided operators")] = None
    clear_low: Annotated[Number | None, Field(description="for between and outside, with clear_high")] = None
    clear_high: Number | None = None

    @model_validator(mode="after")
    def _fits_its_operator(self) -> Test:
        given = {
            name for name in type(self).model_fields if name != "operator" and getattr(self, name) not in (None, [])
        }
        needed, allowed = _fields_of(self.operator)
        missing, strange = needed - given, given - allowed
        if missing:
            raise ValueError(f"{self.operator} needs {', '.join(sorted(missing))}")
        if strange:
            raise ValueError(f"{self.operator} takes no {', '.join(sorted(strange))}")
        if self.operator in ONE_SIDED:
            _check_one_sided(self)
        if self.operator in TWO_SIDED:
            _check_two_sided(self)
        if self.operator == "contains" and not (isinstance(self.value, str) and self.value):
            raise ValueError("contains needs a text")
        return self


class Threshold(_Part):
    """Raised by the first reading that passes the test."""

    kind: Literal["threshold"]
    test: Test


class Duration(_Part):
    """Raised when every reading for so long has passed the test."""

    kind: Literal["duration"]
    test: Test
    for_seconds: Seconds


class Repetition(_Part):
    """Raised when the test began to hold so many times within the window: each time anew, not each reading."""

    kind: Literal["repetition"]
    test: Test
    times: Annotated[int, Field(ge=2, le=1_000)]
    window_seconds: Seconds


class Rate(_Part):
    """Raised when the value changes too fast, measured between the oldest reading in the window and this one.

    Less than half a window of readings says nothing. Points to measure from are a 64th of the window apart, or more.
    """

    kind: Literal["rate"]
    operator: Literal[">", ">=", "<", "<="]
    value: Number
    clear_value: Number | None = None
    per: Literal["second", "minute"] = "second"
    window_seconds: Seconds
    is_absolute: Annotated[bool, Field(description="up and down alike")] = False

    @model_validator(mode="after")
    def _clears_beyond(self) -> Rate:
        self.test()
        return self

    def test(self) -> Test:
        """Return what is asked of the rate."""
        return Test(operator=self.operator, value=self.value, clear_value=self.clear_value)


class NoData(_Part):
    """Raised when nothing came for so long by our own clock: of the metric, or of the device when the rule names none.

    What came before it was known to the service is no silence. `while_offline` hold: a device that is known to be
    offline is not reported once more. Late readings end it: then it was only delay.
    """

    kind: Literal["no_data"]
    for_seconds: Annotated[float, Field(ge=5, le=MAX_SECONDS, allow_inf_nan=False)]
    while_offline: Literal["raise", "hold"] = "raise"


class Anomaly(_Part):
    """Raised when a value is far from the running median of the readings before it, counted in MADs.

    Far is beyond both `k` × 1.4826 × MAD and `min_deviation`; the alarm stands until the value is within `clear_k`.
    The first `warm_up` readings of a series only teach.
    """

    kind: Literal["anomaly"]
    k: Annotated[float, Field(gt=0, le=100)] = 5.0
    clear_k: Annotated[float | None, Field(gt=0, le=100)] = None
    min_deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    window_readings: Annotated[int, Field(ge=10, le=500)] = 100
    warm_up: Annotated[int, Field(ge=5, le=500)] = 30
    direction: Literal["both", "above", "below"] = "both"

    @model_validator(mode="after")
    def _fits_together(self) -> Anomaly:
        if self.warm_up > self.window_readings:
            raise ValueError("warm_up must not be above window_readings")
        if self.clear_k is not None and self.clear_k > self.k:
            raise ValueError("clear_k must not be above k")
        return self


Condition = Annotated[
    Threshold | Duration | Repetition | Rate | NoData | Anomaly,
    Field(discriminator="kind"),
]


def threshold_of(condition: Threshold | Duration | Repetition | Rate | NoData | Anomaly) -> str:
    """Return the level of a condition as people read it."""
    if isinstance(condition, NoData):
        return f"{condition.for_seconds:g} s"
    if isinstance(condition, Anomaly):
        return f"{condition.k:g} MAD"
    test = condition.test() if isinstance(condition, Rate) else condition.test
    if test.operator in TWO_SIDED:
        return f"{test.low}…{test.high}"
    return ", ".join(test.values) if test.operator == "in" else shown(test.value)


def shown(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _fields_of(operator: Operator) -> tuple[set[str], set[str]]:
    if operator in ONE_SIDED:
        return {"value"}, {"value", "clear_value"}
    if operator in TWO_SIDED:
        return {"low", "high"}, {"low", "high", "clear_low", "clear_high"}
    if operator == "in":
        return {"values"}, {"values"}
    return {"value"}, {"value"}


def _check_one_sided(test: Test) -> None:
    level, clear = test.value, test.clear_value
    if isinstance(level, bool | str) or level is None:
        raise ValueError(f"{test.operator} needs a number")
    if clear is not None and (clear > level if test.operator in {">", ">="} else clear < level):
        raise ValueError("clear_value must lie where the alarm ends")


def _check_two_sided(test: Test) -> None:
    low, high = test.low, test.high
    if low is None or high is None or low > high:
        raise ValueError("low must not be above high")
    if (test.clear_low is None) != (test.clear_high is None):
        raise ValueError("clear_low and clear_high go together")
    if test.clear_low is None or test.clear_high is None:
        return
    is_wider = test.clear_low <= low and test.clear_high >= high
    is_narrower = low <= test.clear_low <= test.clear_high <= high
    if not (is_wider if test.operator == "between" else is_narrower):
        raise ValueError("clear_low and clear_high must lie where the alarm ends")
