"""What rules must find, worked out the simple way: over all readings at once, without state, by looking back.

It shares no code with the service but the shape of a rule's content. Slow on purpose: each reading looks at all before.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Arrival:
    """One value, in the order in which it came; times in milliseconds."""

    metric: str
    at: int
    received: int
    value: Any

    @property
    def is_late(self) -> bool:
        return self.received - self.at > 60_000


@dataclass(frozen=True)
class Expected:
    """An alarm; `cleared` None: it stands."""

    raised: int
    cleared: int | None
    metric: str | None


def expected_alarms(
    content: Any, arrivals: Sequence[Arrival], *, since: int = 0, now: int | None = None
) -> list[Expected]:
    """Return the alarms of a rule on one device."""
    if content.condition.kind == "no_data":
        return _silences(content, arrivals, since, now)
    events: list[tuple[int, str, int, bool]] = []
    for metric in {one.metric for one in arrivals if _matches(content.metric, one.metric)}:
        series, places, newest = [], [], -1
        for place, one in enumerate(arrivals):
            if one.metric == metric and not one.is_late and one.at > newest:
                newest = one.at
                series.append((one.at, one.value))
                places.append(place)
        for index, is_raised in _changes(content, series):
            events.append((places[index], metric, series[index][0], is_raised))
    return _merged(sorted(events))


def _merged(events: list[tuple[int, str, int, bool]]) -> list[Expected]:
    standing: set[str] = set()
    found: list[Expected] = []
    for _, metric, at, is_raised in events:
        if is_raised:
            if not standing:
                found.append(Expected(at, None, metric))
            standing.add(metric)
        else:
            standing.discard(metric)
            if not standing:
                found[-1] = Expected(found[-1].raised, at, found[-1].metric)
    return found


def _matches(glob: str | None, metric: str) -> bool:
    pattern = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob or "")
    return glob is not None and re.fullmatch(pattern, metric) is not None


def _changes(content: Any, series: list[tuple[int, Any]]) -> list[tuple[int, bool]]:
    """Return at which readings the series raises and clears."""
    condition, kind = content.condition, content.condition.kind
    wait = condition.for_seconds * 1000 if kind == "duration" else 0
    changes: list[tuple[int, bool]] = []
    active, last_change = False, -1
    known: dict[tuple[int, bool], bool | None] = {}

    def verdict(i: int) -> bool | None:
        if (i, active) not in known:
            known[i, active] = _verdict(condition, series, i, active=active)
        return known[i, active]

    def counts(i: int) -> bool:
        """Whether the reading speaks for a change."""
        if active:
            return verdict(i) is False
        return verdict(i) is True and _allowed(content.schedule, series[i][0])

    for i, (at, _) in enumerate(series):
        if not counts(i):
            continue
        # The unbroken run that ends here, within what came after the last change.
        run = i
        for j in range(i, last_change, -1):
            if verdict(j) is None:
                continue
            if not counts(j):
                break
            run = j
        if at - series[run][0] >= (content.clear_after_ms if active else wait):
            changes.append((i, not active))
            active, last_change = not active, i
    return changes


def _verdict(condition: Any, series: list[tuple[int, Any]], i: int, *, active: bool) -> bool | None:
    value = series[i][1]
    if condition.kind in {"threshold", "duration"}:
        return _passes(condition.test, value, clearing=active)
    if condition.kind == "repetition":
        return _repeats(condition, series, i)
    if isinstance(value, bool | str):
        return None
    if condition.kind == "rate":
        return _is_fast(condition, series[: i + 1], active)
    before = [float(v) for _, v in series[:i] if not isinstance(v, bool | str)][-condition.window_readings :]
    if len(before) < condition.warm_up:
        return None
    middle = statistics.median(before)
    spread = statistics.median(abs(v - middle) for v in before) * 1.4826
    away = {"both": abs(value - middle), "above": value - middle, "below": middle - value}[condition.direction]
    factor = condition.clear_k if active and condition.clear_k is not None else condition.k
    return away > condition.min_deviation and away > factor * spread


def _repeats(condition: Any, series: list[tuple[int, Any]], i: int) -> bool | None:
    at = series[i][0]
    on, onsets, verdict = False, [], None
    for t, value in series[: i + 1]:
        verdict = _passes(condition.test, value, clearing=on)
        if verdict is None:
            continue
        if verdict and not on:
            onsets.append(t)
        on = verdict
    if verdict is None:
        return None
    return len([t for t in onsets if t > at - condition.window_seconds * 1000]) >= condition.times


def _is_fast(condition: Any, series: list[tuple[int, Any]], active: bool) -> bool | None:
    window, at = condition.window_seconds * 1000, series[-1][0]
    numbers = [(t, v) for t, v in series if not isinstance(v, bool | str)]
    points: list[tuple[int, float]] = []
    for t, v in numbers[:-1]:
        if not points or (t - points[-1][0]) * 64 >= window:
            points.append((t, v))
    points = [(t, v) for t, v in points if t >= at - window]
    if not points or (at - points[0][0]) * 2 < window:
        return None
    rate = (numbers[-1][1] - points[0][1]) * (1000 if condition.per == "second" else 60000) / (at - points[0][0])
    rate = abs(rate) if condition.is_absolute else rate
    level = condition.clear_value if active and condition.clear_value is not None else condition.value
    return bool(_ordered(condition.operator, rate, level))


def _passes(test: Any, value: Any, *, clearing: bool) -> bool | None:
    op = test.operator
    if op in {"contains", "in"}:
        if not isinstance(value, str):
            return None
        return test.value in value if op == "contains" else value in test.values
    if op in {"==", "!="}:
        kinds = [isinstance(v, bool) * 2 + isinstance(v, str) for v in (test.value, value)]
        return None if kinds[0] != kinds[1] else (value == test.value) == (op == "==")
    if isinstance(value, bool | str):
        return None
    if op in {"between", "outside"}:
        low, high = test.low, test.high
        if clearing and test.clear_low is not None:
            low, high = test.clear_low, test.clear_high
        return (low <= value <= high) == (op == "between")
    return _ordered(op, value, test.clear_value if clearing and test.clear_value is not None else test.value)


def _ordered(op: str, left: Any, right: Any) -> bool:
    return bool({">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[op])


def _allowed(schedule: Any, at: int) -> bool:
    if schedule is None:
        return True
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(schedule.time_zone))
    begin, end, clock = schedule.start, schedule.end, local.strftime("%H:%M")
    if begin < end:
        return local.weekday() in schedule.days and begin <= clock < end
    return (local.weekday() in schedule.days and clock >= begin) or (
        (local.weekday() - 1) % 7 in schedule.days and clock < end
    )


def _silences(content: Any, arrivals: Sequence[Arrival], since: int, now: int | None) -> list[Expected]:
    """Gaps between receptions, of the device or of each metric; alarms where gaps of one or more overlap."""
    wait = round(content.condition.for_seconds * 1000)
    names: list[str | None] = [None]
    if content.metric is not None:
        names = sorted({one.metric for one in arrivals if not one.is_late and _matches(content.metric, one.metric)})
    gaps: list[tuple[int, int | None, str | None]] = []
    for name in names:
        heard = sorted({a.received for a in arrivals if name is None or a.metric == name or a.is_late})
        first = next((a.received for a in arrivals if name is None or (a.metric == name and not a.is_late)), None)
        heard = [h for h in heard if first is not None and h >= first]
        followed: list[int | None] = [*heard[1:], None]
        for here, there in zip(heard, followed[: len(heard)], strict=True):
            due = max(here, since) + wait
            if (there is not None and due < there) or (there is None and now is not None and due <= now):
                gaps.append((due, there, name))
    gaps.sort(key=lambda gap: (gap[0], gap[2] or ""))
    found: list[Expected] = []
    for due, end, name in gaps:
        last = found[-1] if found else None
        if last is not None and (last.cleared is None or due < last.cleared):
            ends = None if end is None or last.cleared is None else max(end, last.cleared)
            found[-1] = Expected(last.raised, ends, last.metric)
        else:
            found.append(Expected(due, end, name))
    return found
