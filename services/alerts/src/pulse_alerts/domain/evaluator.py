"""All rules on one device, fed with its readings.

Guaranteed: of each series a reading counts once and only forward in time, so that what comes again after a crash, or
from the stream and from the database, changes nothing; the outcome depends on readings and their times alone. A rule
has one alarm on a device: raised by the first of its series, cleared when none of them stands any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from pulse_alerts.domain.compiled_rule import CompiledRule
from pulse_alerts.domain.lanes import CLEARED, RAISED, Lane
from pulse_alerts.domain.rule import Rule
from pulse_contracts.telemetry import MetricValue

AHEAD_MS: Final = 60_000
"""How far a reading's time may be ahead of ours; from there on ours counts, or a wrong clock would silence a series."""
LATE_MS: Final = 60_000
"""What was older when it came is late (gateway.md, resume, 6)."""
_INFINITY: Final = float("inf")
_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule raised or cleared on a device. `alarm_id` is the same whenever the same is found."""

    rule: Rule
    device_id: str
    alarm_id: UUID
    is_raised: bool
    at_ms: int
    metric: str | None
    value: MetricValue | None
    reason: str


@dataclass(eq=False, slots=True)
class _Standing:
    """A rule on a device: which series stand (None: the device itself), and the alarm while any does."""

    compiled: CompiledRule
    active: set[str | None] = field(default_factory=set)
    alarm_id: UUID | None = None


@dataclass(eq=False, slots=True)
class _Series:
    """A series that some rule watches. `low` and `high`: between them no banded lane changes anything."""

    head: int = -1
    received: int = -1
    low: float = _INFINITY
    high: float = -_INFINITY
    banded: list[tuple[_Standing, Lane]] = field(default_factory=list)
    always: list[tuple[_Standing, Lane]] = field(default_factory=list)
    silences: list[_Standing] = field(default_factory=list)


class DeviceEvaluator:
    """One device."""

    def __init__(self, device_id: str, partition: int, rules: Sequence[CompiledRule]) -> None:
        self.device_id = device_id
        self.partition = partition
        self.is_noteworthy = False
        """Whether there are findings, readings behind, or a silence began that nobody waits for yet."""
        self.findings: list[Finding] = []
        self.behind: tuple[int, int] | None = None
        """From when to when readings came that are not newer than what was evaluated."""
        self._standings = {compiled.rule.id: _Standing(compiled) for compiled in rules}
        self._series: dict[str, _Series | None] = {}
        self._self_silences = [s for s in self._standings.values() if s.compiled.no_data and _is_for_device(s)]
        self._has_patterns = any(_is_pattern(compiled.rule.content.metric) for compiled in rules)
        self._received = -1
        self._next_due = _NEVER
        """Before this no silence is too long; it may be early, never late."""

    @property
    def rule_ids(self) -> frozenset[UUID]:
        """Which rules are on the device."""
        return frozenset(self._standings)

    @property
    def hears_all(self) -> bool:
        """Whether any reading counts, because a rule asks whether the device is silent."""
        return bool(self._self_silences)

    @property
    def minds_silence(self) -> bool:
        """Whether any rule asks whether the device, or a metric of it, is silent."""
        return any(standing.compiled.no_data is not None for standing in self._standings.values())

    def is_watched(self, metric: str) -> bool:
        """Tell whether any rule watches a metric."""
        return self._opened(metric) is not None

    def observe(self, at: int, received: int, metrics: Mapping[str, MetricValue]) -> None:
        """Take a reading; all times are Unix milliseconds. What it did is in `findings` and `behind`."""
        at = received if at > received + AHEAD_MS else at
        if received > self._next_due:
            self.pass_time(received - 1, is_offline=True)
        if received > self._received:
            self._end_silence(self._self_silences, None, self._received, received)
            self._received = received
        # A pattern's alarm depends on which of its series comes first: so that is not left to whoever wrote the JSON.
        for metric, value in sorted(metrics.items()) if self._has_patterns else metrics.items():
            try:
                series = self._series[metric]
            except KeyError:
                series = self._opened(metric)
            if series is None:
                continue
            last = series.received
            if received > last:
                if series.silences:
                    self._end_silence(series.silences, metric, last, received, value)
                series.received = received
            if at <= series.head:
                # What came before, comes again: it is new only if the series has not been heard since.
                if at < series.head and received >= last:
                    self._fall_behind(at)
                continue
            series.head = at
            if series.always:
                self._step(series.always, at, metric, value)
            if series.banded:
                kind = value.__class__
                if (kind is float or kind is int) and series.low < value < series.high:  # type: ignore[operator]
                    continue
                self._step(series.banded, at, metric, value)
                _narrow(series, value)

    def hear_late(self, received: int) -> None:
        """Note that something came that is late: then silence was only delay."""
        if received > self._next_due:
            self.pass_time(received - 1, is_offline=True)
        if received > self._received:
            self._end_silence(self._self_silences, None, self._received, received, reason="delayed")
            self._received = received
        for metric, series in self._series.items():
            if series is not None and series.silences and received > series.received:
                self._end_silence(series.silences, metric, series.received, received, reason="delayed")
                series.received = received

    def expect(self, metrics: Sequence[str]) -> None:
        """Wait for more of these series, and of the device, although nothing of them was evaluated yet."""
        if metrics:
            self._received = max(self._received, 0)
        for metric in metrics:
            series = self._opened(metric)
            if series is not None:
                series.received = max(series.received, 0)
        self._next_due = self.next_due()

    def next_due(self) -> int:
        """Return when the next silence will have been too long, unless it is broken."""
        return min((due for due, _, _ in self._dues()), default=_NEVER)

    def pass_time(self, until_ms: int, *, is_offline: bool) -> None:
        """Raise for what was silent for too long by then, in the order in which it was, unless that waits for a device
        that is offline. It is found by the clock, or by the reading that ends it: with the same outcome.
        """
        for due, metric, standing in sorted(self._dues(), key=_by_due):
            no_data = standing.compiled.no_data
            if due > until_ms:
                break
            if no_data is not None and not (is_offline and no_data.while_offline == "hold"):
                self._change(standing, RAISED, due, metric, None, "silence")
        self._next_due = self.next_due()

    @property
    def may_wait(self) -> bool:
        """Whether any rule waits for a device that is offline."""
        return any(s.compiled.no_data and s.compiled.no_data.while_offline == "hold" for s in self._standings.values())

    def leave(self, rule_ids: Collection[UUID], at_ms: int, reason: str) -> None:
        """Clear what stands of these rules, because they are not for this device any more."""
        for rule_id, standing in self._standings.items():
            if rule_id in rule_ids and standing.alarm_id is not None:
                self.findings.append(self._finding(standing, standing.alarm_id, CLEARED, at_ms, None, None, reason))

    def dump(self) -> dict[str, Any]:
        """Return what has to be kept: heads of all series, and lanes that are not at rest."""
        heads, lanes = {}, {}
        for metric, series in self._series.items():
            if series is None:
                continue
            heads[metric] = [series.head, series.received]
            kept = {
                str(standing.compiled.rule.id): [standing.compiled.rule.evaluation, state]
                for standing, lane in (*series.always, *series.banded)
                if (state := lane.dump()) is not None
            }
            if kept:
                lanes[metric] = kept
        standings = {
            str(rule_id): [s.compiled.rule.evaluation, str(s.alarm_id), sorted(s.active, key=str)]
            for rule_id, s in self._standings.items()
            if s.alarm_id is not None
        }
        return {"received": self._received, "heads": heads, "lanes": lanes, "standings": standings}

    def load(self, kept: Mapping[str, Any]) -> None:
        """Go on from what was kept; what was evaluated under another version of a rule is void."""
        self._received = kept["received"]
        for rule_id, (evaluation, alarm_id, active) in kept["standings"].items():
            standing = self._standings.get(UUID(rule_id))
            if standing is not None and standing.compiled.rule.evaluation == evaluation:
                standing.alarm_id, standing.active = UUID(alarm_id), set(active)
        for metric, (head, received) in kept["heads"].items():
            series = self._opened(metric)
            if series is None:
                continue
            series.head, series.received = head, received
            states = kept["lanes"].get(metric, {})
            for standing, lane in (*series.always, *series.banded):
                evaluation, state = states.get(str(standing.compiled.rule.id), (None, None))
                if evaluation == standing.compiled.rule.evaluation:
                    lane.load(state)
        self._next_due = self.next_due()

    def head_of(self, metric: str) -> int:
        """Return the time of the newest reading of a series that was evaluated; -1 without any."""
        series = self._series.get(metric)
        return -1 if series is None else series.head

    def _opened(self, metric: str) -> _Series | None:
        if metric in self._series:
            return self._series[metric]
        series = _Series()
        for standing in self._standings.values():
            if not standing.compiled.rule.is_for_metric(metric):
                continue
            lane = standing.compiled.lane()
            if lane is None:
                series.silences.append(standing)
            elif lane.can_rest:
                series.banded.append((standing, lane))
            else:
                series.always.append((standing, lane))
        is_watched = bool(series.silences or series.banded or series.always)
        self._series[metric] = series if is_watched else None
        self.is_noteworthy |= bool(series.silences)
        return self._series[metric]

    def _step(self, lanes: list[tuple[_Standing, Lane]], at: int, metric: str, value: MetricValue) -> None:
        for standing, lane in lanes:
            change = lane.step(at, value)
            if change:
                self._change(standing, change, at, metric, value, "condition")

    def _end_silence(
        self,
        standings: list[_Standing],
        metric: str | None,
        last: int,
        received: int,
        value: MetricValue | None = None,
        reason: str = "condition",
    ) -> None:
        for standing in standings:
            if metric in standing.active:
                self._change(standing, CLEARED, received, metric, value, reason)
        if standings and last < 0:
            # The first that was ever heard of it: from now on it can fall silent.
            self.is_noteworthy = True
            self._next_due = min(self._next_due, received)

    def _dues(self) -> list[tuple[int, str | None, _Standing]]:
        found: list[tuple[int, str | None, _Standing]] = []
        if self._received >= 0:
            found += [(_due(s, self._received), None, s) for s in self._self_silences if None not in s.active]
        for metric, series in self._series.items():
            if series is not None and series.received >= 0:
                found += [(_due(s, series.received), metric, s) for s in series.silences if metric not in s.active]
        return found

    def _change(
        self,
        standing: _Standing,
        change: int,
        at: int,
        metric: str | None,
        value: MetricValue | None,
        reason: str,
    ) -> None:
        self.is_noteworthy = True
        if change == RAISED:
            standing.active.add(metric)
            if standing.alarm_id is None:
                rule = standing.compiled.rule
                standing.alarm_id = alarm_id_of(rule, self.device_id, metric, at)
                self.findings.append(self._finding(standing, standing.alarm_id, change, at, metric, value, reason))
        else:
            standing.active.discard(metric)
            if standing.compiled.no_data is not None:
                self._next_due = min(self._next_due, at)
            if not standing.active and standing.alarm_id is not None:
                self.findings.append(self._finding(standing, standing.alarm_id, change, at, metric, value, reason))
                standing.alarm_id = None

    def _finding(  # noqa: PLR0913, PLR0917 -- the fields of a finding
        self,
        standing: _Standing,
        alarm_id: UUID,
        change: int,
        at: int,
        metric: str | None,
        value: MetricValue | None,
        reason: str,
    ) -> Finding:
        rule = standing.compiled.rule
        return Finding(rule, self.device_id, alarm_id, change == RAISED, at, metric, value, reason)

    def _fall_behind(self, at: int) -> None:
        self.is_noteworthy = True
        low, high = self.behind or (at, at)
        self.behind = (min(low, at), max(high, at))


def alarm_id_of(rule: Rule, device_id: str, metric: str | None, raised_ms: int) -> UUID:
    """Return the id of an alarm: what is found again is the same alarm."""
    return uuid5(NAMESPACE_OID, f"{rule.id}/{rule.evaluation}/{device_id}/{metric or ''}/{raised_ms}")


def _is_for_device(standing: _Standing) -> bool:
    return standing.compiled.rule.content.metric is None


def _is_pattern(metric: str | None) -> bool:
    return metric is not None and ("*" in metric or "?" in metric)


def _due(standing: _Standing, last: int) -> int:
    compiled = standing.compiled
    return compiled.first_allowed(max(last, compiled.since_ms) + compiled.silence_ms)


def _by_due(item: tuple[int, str | None, _Standing]) -> tuple[int, str, UUID]:
    return (item[0], item[1] or "", item[2].compiled.rule.id)


def _narrow(series: _Series, value: MetricValue) -> None:
    """Find anew between which numbers nothing changes."""
    low, high = -_INFINITY, _INFINITY
    if isinstance(value, bool | str):
        # It says nothing to tests of numbers; the next number is looked at in any case.
        low, high = _INFINITY, -_INFINITY
    else:
        for _, lane in series.banded:
            band = lane.band(value)
            if band is None:
                low, high = _INFINITY, -_INFINITY
                break
            low, high = max(low, band[0]), min(high, band[1])
    series.low, series.high = low, high
