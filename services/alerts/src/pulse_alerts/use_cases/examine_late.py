"""Look through stretches of history that changed behind the live edge, for alarms that nobody could raise in time.

What is found is history: marked late, cleared from the beginning, and never notified. Where an alarm of the rule stood
anyway, nothing is added. A stretch is looked at when it has not grown for a while, and as a whole: the backlog of a
device that drains is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from pulse_alerts.domain.alarm import Found, found, unix_ms
from pulse_alerts.domain.conditions import Duration, NoData, Rate, Repetition
from pulse_alerts.domain.evaluator import Finding
from pulse_alerts.domain.partitions import partition_of
from pulse_alerts.domain.patience import Patience
from pulse_alerts.domain.rule import Rule
from pulse_alerts.use_cases.evaluation import Tools
from pulse_alerts.use_cases.ports import Device, Span
from pulse_alerts.use_cases.replay_history import Stretch, replay_history

QUIET: Final = timedelta(seconds=10)
SPANS_AT_ONCE: Final = 50
LOOKBACK_MS: Final = 600_000
"""What a rule is told of before the stretch, beside its own window: so that a baseline, or a level, is known."""
MAX_READINGS: Final = 2_000_000
MAX_FOUND: Final = 1_000


@dataclass(eq=False)
class ExamineLate:
    """Acts on the partitions that are this worker's; that two do the same would change nothing."""

    tools: Tools
    patience: Patience
    partitions: Callable[[], Sequence[int]]

    async def __call__(self) -> None:
        """Examine all stretches that have come to rest. Raises UnavailableError."""
        tools = self.tools
        mine = self.partitions()
        if not mine:
            return
        spans = await tools.store.late_spans(mine, tools.clock.now() - QUIET, SPANS_AT_ONCE)
        if not spans:
            return
        _, rules = await tools.store.rules()
        devices = {one.device_id: one for one in await tools.store.devices() if partition_of(one.device_id) in mine}
        series = await tools.store.series()
        for span in spans:
            device = devices.get(span.device_id)
            alarms: list[tuple[Found, Found]] = []
            if device is not None:
                alarms = await self._examine(span, device, series.get(span.device_id, {}), rules)
            new = await tools.store.commit_late(span, tools.clock.now(), alarms)
            tools.count("late_spans_examined")
            tools.count("late_alarms_found", new)

    async def _examine(
        self, span: Span, device: Device, series: dict[str, int], rules: Sequence[Rule]
    ) -> list[tuple[Found, Found]]:
        now_ms = unix_ms(self.tools.clock.now())
        first = max(span.from_ms, now_ms - self.patience.late_lookback // timedelta(milliseconds=1))
        found_all: list[tuple[Found, Found]] = []
        for rule in rules:
            if isinstance(rule.content.condition, NoData):
                continue  # Late readings say that there was data.
            stretch = Stretch(first - _window_ms(rule), span.to_ms, MAX_READINGS, MAX_FOUND)
            replay = await replay_history(self.tools.history, [rule], device, series, stretch)
            if replay.last_ms is not None:
                found_all += _alarms(replay.findings, first, replay.last_ms, device)
        return found_all


def _alarms(findings: Sequence[Finding], first: int, last: int, device: Device) -> list[tuple[Found, Found]]:
    """Pair raised with cleared; what does not clear within the stretch ends with it."""
    names = {device.device_id: device.name}
    pairs = []
    waiting: Finding | None = None
    for finding in findings:
        if finding.is_raised:
            waiting = finding
        elif waiting is not None:
            pairs.append((waiting, finding))
            waiting = None
    if waiting is not None:
        pairs.append((waiting, replace(waiting, is_raised=False, at_ms=last, value=None, reason="late_data_ended")))
    return [
        (found(raised, names, is_late=True), found(cleared, names, is_late=True))
        for raised, cleared in pairs
        if raised.at_ms >= first
    ]


def _window_ms(rule: Rule) -> int:
    condition = rule.content.condition
    seconds = 0.0
    if isinstance(condition, Duration):
        seconds = condition.for_seconds
    elif isinstance(condition, Rate | Repetition):
        seconds = condition.window_seconds
    return round(seconds * 1_000) + LOOKBACK_MS
