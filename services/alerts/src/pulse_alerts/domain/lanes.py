"""One rule on one series: what each reading does to it.

A lane is fed readings in the order of their times, each once. What it does depends on them alone, never on a clock,
so that the same readings after a crash have the same outcome. `dump` gives what has to be kept, None at rest.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from pulse_alerts.domain.conditions import (
    ONE_SIDED,
    TWO_SIDED,
    Anomaly,
    Duration,
    Rate,
    Repetition,
    Test,
    Threshold,
)
from pulse_alerts.domain.rule import AnyCondition
from pulse_alerts.domain.schedule import Hours
from pulse_contracts.telemetry import MetricValue

RAISED: Final = 1
CLEARED: Final = -1
SAME: Final = 0
RATE_POINTS: Final = 64
MAD_TO_SIGMA: Final = 1.4826
"""What makes a MAD comparable with a standard deviation, for normally distributed values."""
Band = tuple[float, float]
"""An open interval of numbers that change nothing."""
Holds = Callable[[Any], bool | None]
"""Tells of a value whether a test holds; None when it is not for values of this kind."""
_INFINITY: Final = float("inf")
_NO_NUMBER: Final = (bool, str)
"""A boolean is no number. As a tuple, because a union would be made anew for each reading."""
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Lane(ABC):
    """What all kinds have in common: how long before it raises, how long before it clears, and when it may raise."""

    __slots__ = ("_clear_after", "_for", "_holding_since", "_hours", "_passing_since", "is_active")

    def __init__(self, for_ms: int, clear_after_ms: int, hours: Hours | None) -> None:
        self._for = for_ms
        self._clear_after = clear_after_ms
        self._hours = hours
        self.is_active = False
        self._holding_since: int | None = None
        self._passing_since: int | None = None

    @abstractmethod
    def step(self, at: int, value: MetricValue) -> int:
        """Take the next reading; return RAISED, CLEARED or SAME."""

    @property
    def can_rest(self) -> bool:
        """Whether it has a band at times: then not every reading has to come."""
        return False

    def band(self, _value: float) -> Band | None:
        """Return the numbers around the value, the last one, that change nothing; None when there are none now."""
        return None

    @property
    def is_pending(self) -> bool:
        """Whether time alone may raise or clear it, at the next reading."""
        return self._holding_since is not None or self._passing_since is not None

    def dump(self) -> list[Any] | None:
        """Return what has to be kept."""
        if not self.is_active and not self.is_pending:
            return None
        return [int(self.is_active), self._holding_since, self._passing_since]

    def load(self, kept: list[Any]) -> None:
        """Go on from what was kept."""
        self.is_active = bool(kept[0])
        self._holding_since, self._passing_since = kept[1], kept[2]

    def _latch(self, at: int, holds: bool) -> int:
        if self.is_active:
            return self._passing(at, holds)
        if not holds or (self._hours is not None and not self._hours.allow(at)):
            self._holding_since = None
            return SAME
        if self._holding_since is None:
            self._holding_since = at
        if at - self._holding_since < self._for:
            return SAME
        self.is_active = True
        self._holding_since = None
        return RAISED

    def _passing(self, at: int, holds: bool) -> int:
        if holds:
            self._passing_since = None
            return SAME
        if self._passing_since is None:
            self._passing_since = at
        if at - self._passing_since < self._clear_after:
            return SAME
        self.is_active = False
        self._passing_since = None
        return CLEARED


class HoldLane(Lane):
    """Threshold and duration: the test has to hold for a while, or at once."""

    __slots__ = ("_clearing", "_raises", "_stays", "_test")

    def __init__(self, test: Test, for_ms: int, clear_after_ms: int, hours: Hours | None) -> None:
        super().__init__(for_ms, clear_after_ms, hours)
        self._test, self._clearing = test, _clear_test(test)
        self._raises = compile_test(test)
        self._stays = compile_test(self._clearing)

    def step(self, at: int, value: MetricValue) -> int:
        """Take the next reading."""
        holds = self._stays(value) if self.is_active else self._raises(value)
        return SAME if holds is None else self._latch(at, holds)

    @property
    def can_rest(self) -> bool:
        """Whether its test is one of numbers."""
        return self._test.operator in ONE_SIDED or self._test.operator in TWO_SIDED

    def band(self, value: float) -> Band | None:
        """Return the side of the level that the value is on."""
        if self.is_pending:
            return None
        test, holds = (self._clearing, self._stays) if self.is_active else (self._test, self._raises)
        # Where it holds and is not active, the hours forbid it: then the next reading may be allowed to.
        return _side(test, value, holds=self.is_active) if holds(value) is self.is_active else None


class RepetitionLane(Lane):
    """So many beginnings within a window; only as many as are needed are remembered."""

    __slots__ = ("_clearing", "_is_on", "_onsets", "_raises", "_stays", "_test", "_window")

    def __init__(self, condition: Repetition, clear_after_ms: int, hours: Hours | None) -> None:
        super().__init__(0, clear_after_ms, hours)
        self._test, self._clearing = condition.test, _clear_test(condition.test)
        self._raises = compile_test(condition.test)
        self._stays = compile_test(self._clearing)
        self._window = _ms(condition.window_seconds)
        self._onsets: deque[int] = deque(maxlen=condition.times)
        self._is_on = False

    def step(self, at: int, value: MetricValue) -> int:
        """Take the next reading."""
        holds = self._stays(value) if self._is_on else self._raises(value)
        if holds is None:
            return SAME
        if holds and not self._is_on:
            self._onsets.append(at)
        self._is_on = holds
        return self._latch(at, len(self._onsets) == self._onsets.maxlen and self._onsets[0] > at - self._window)

    @property
    def can_rest(self) -> bool:
        """Whether its test is one of numbers."""
        return self._test.operator in ONE_SIDED or self._test.operator in TWO_SIDED

    def band(self, value: float) -> Band | None:
        """Return the side that the value is on: without another beginning there are only ever fewer in the window."""
        if self.is_active or self.is_pending or len(self._onsets) == self._onsets.maxlen:
            return None
        return _side(self._clearing if self._is_on else self._test, value, holds=self._is_on)

    def dump(self) -> list[Any] | None:
        """Return what has to be kept."""
        kept = super().dump()
        if kept is None and not self._onsets:
            return None
        return [*(kept or [0, None, None]), int(self._is_on), list(self._onsets)]

    def load(self, kept: list[Any]) -> None:
        """Go on from what was kept."""
        super().load(kept)
        self._is_on = bool(kept[3])
        self._onsets.extend(kept[4])


class RateLane(Lane):
    """How fast the value changes over the window."""

    __slots__ = ("_is_absolute", "_points", "_raises", "_stays", "_unit_ms", "_window")

    def __init__(self, condition: Rate, clear_after_ms: int, hours: Hours | None) -> None:
        super().__init__(0, clear_after_ms, hours)
        self._raises = _number_test(condition.test())
        self._stays = _number_test(_clear_test(condition.test()))
        self._window = _ms(condition.window_seconds)
        self._unit_ms = 1_000 if condition.per == "second" else 60_000
        self._is_absolute = condition.is_absolute
        self._points: deque[tuple[int, float]] = deque()

    def step(self, at: int, value: MetricValue) -> int:
        """Take the next reading."""
        if isinstance(value, _NO_NUMBER):
            return SAME
        points = self._points
        while points and points[0][0] < at - self._window:
            points.popleft()
        change = SAME
        if points and (at - points[0][0]) * 2 >= self._window:
            rate = (value - points[0][1]) * self._unit_ms / (at - points[0][0])
            rate = abs(rate) if self._is_absolute else rate
            change = self._latch(at, self._stays(rate) if self.is_active else self._raises(rate))
        if not points or (at - points[-1][0]) * RATE_POINTS >= self._window:
            points.append((at, float(value)))
        return change

    def dump(self) -> list[Any] | None:
        """Return what has to be kept."""
        kept = super().dump()
        return None if kept is None and not self._points else [*(kept or [0, None, None]), list(self._points)]

    def load(self, kept: list[Any]) -> None:
        """Go on from what was kept."""
        super().load(kept)
        self._points.extend((at, value) for at, value in kept[3])


class AnomalyLane(Lane):
    """Far from the running median of the readings before, in MADs."""

    __slots__ = ("_condition", "_ordered", "_values", "_warm_up", "_window")

    def __init__(self, condition: Anomaly, clear_after_ms: int, hours: Hours | None) -> None:
        super().__init__(0, clear_after_ms, hours)
        self._condition = condition
        self._warm_up, self._window = condition.warm_up, condition.window_readings
        self._values: deque[float] = deque()
        self._ordered: list[float] = []

    def step(self, at: int, value: MetricValue) -> int:
        """Take the next reading; it is part of the baseline from the next one on."""
        if isinstance(value, _NO_NUMBER):
            return SAME
        number = float(value)
        values, ordered = self._values, self._ordered
        change = SAME
        if len(values) >= self._warm_up:
            change = self._latch(at, self._is_far(number))
        if len(values) == self._window:
            del ordered[bisect_left(ordered, values.popleft())]
        values.append(number)
        insort(ordered, number)
        return change

    def _is_far(self, value: float) -> bool:
        wanted = self._condition
        middle = median(self._ordered)
        deviation = value - middle
        if wanted.direction == "below":
            deviation = -deviation
        elif wanted.direction == "both":
            deviation = abs(deviation)
        # The cheap question first: most readings are near, and then nobody has to know the MAD.
        if deviation <= wanted.min_deviation:
            return False
        factor = wanted.clear_k if self.is_active and wanted.clear_k is not None else wanted.k
        return deviation > factor * MAD_TO_SIGMA * mad(self._ordered, middle)

    def dump(self) -> list[Any] | None:
        """Return what has to be kept."""
        kept = super().dump()
        return None if kept is None and not self._values else [*(kept or [0, None, None]), list(self._values)]

    def load(self, kept: list[Any]) -> None:
        """Go on from what was kept."""
        super().load(kept)
        self._values.extend(kept[3])
        self._ordered = sorted(self._values)


def make_lane(condition: AnyCondition, clear_after_ms: int, hours: Hours | None) -> Lane | None:
    """Return a lane for a condition; None for no data, which no reading can raise."""
    if isinstance(condition, Threshold):
        return HoldLane(condition.test, 0, clear_after_ms, hours)
    if isinstance(condition, Duration):
        return HoldLane(condition.test, _ms(condition.for_seconds), clear_after_ms, hours)
    if isinstance(condition, Repetition):
        return RepetitionLane(condition, clear_after_ms, hours)
    if isinstance(condition, Rate):
        return RateLane(condition, clear_after_ms, hours)
    return AnomalyLane(condition, clear_after_ms, hours) if isinstance(condition, Anomaly) else None


def compile_test(test: Test) -> Holds:
    """Return a function that tells whether the test holds for a value."""
    if test.operator in ONE_SIDED or test.operator in TWO_SIDED:
        return _numeric(_number_test(test))
    if test.operator == "contains":
        part = str(test.value)
        return lambda value: part in value if isinstance(value, str) else None
    if test.operator == "in":
        values = frozenset(test.values)
        return lambda value: value in values if isinstance(value, str) else None
    return _equality(test.value, is_equal=test.operator == "==")


def median(ordered: list[float]) -> float:
    """Return the median of numbers in order."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def mad(ordered: list[float], middle: float) -> float:
    """Return the median absolute deviation from `middle` of numbers in order."""
    return median(sorted([abs(value - middle) for value in ordered]))


def _side(test: Test, value: float, *, holds: bool) -> Band | None:
    """Return the open interval around the value in which the test says the same."""
    if test.operator in ONE_SIDED:
        level = _number(test.value)
        return (level, _INFINITY) if holds == (test.operator in {">", ">="}) else (-_INFINITY, level)
    low, high = _number(test.low), _number(test.high)
    if value < low:
        return (-_INFINITY, low)
    return (high, _INFINITY) if value > high else (low, high)


def _number_test(test: Test) -> Callable[[Any], bool]:
    if test.operator in ONE_SIDED:
        compare, level = _COMPARE[test.operator], _number(test.value)
        return lambda value: compare(value, level)
    low, high = _number(test.low), _number(test.high)
    if test.operator == "between":
        return lambda value: low <= value <= high
    return lambda value: value < low or value > high


def _numeric(holds: Callable[[Any], bool]) -> Holds:
    return lambda value: None if isinstance(value, _NO_NUMBER) else holds(value)


def _equality(wanted: object, *, is_equal: bool) -> Holds:
    if isinstance(wanted, bool):
        return lambda value: (value is wanted) is is_equal if isinstance(value, bool) else None
    if isinstance(wanted, str):
        return lambda value: (value == wanted) is is_equal if isinstance(value, str) else None
    return _numeric(lambda value: (value == wanted) is is_equal)


def _clear_test(test: Test) -> Test:
    """Return what is asked while the alarm stands."""
    if test.clear_value is not None:
        return Test(operator=test.operator, value=test.clear_value)
    if test.clear_low is not None:
        return Test(operator=test.operator, low=test.clear_low, high=test.clear_high)
    return test


def _number(level: object) -> float:
    if isinstance(level, bool | str) or not isinstance(level, int | float):
        message = "a level is a number"
        raise TypeError(message)
    return level


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
