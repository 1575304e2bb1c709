"""A rule: on which series it holds, what it watches for, and what an alarm of it says."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Literal
from uuid import UUID

from pulse_alerts.domain.conditions import Anomaly, Duration, NoData, Rate, Repetition, Threshold
from pulse_alerts.domain.schedule import Schedule

Severity = Literal["info", "warning", "critical"]
METRIC_GLOB: Final = r"^[A-Za-z0-9_.:/*?-]{1,64}$"
MAX_STARS: Final = 3
"""In a pattern: with many, looking whether a metric fits would take for ever."""
MAX_RULES: Final = 2_000
AnyCondition = Threshold | Duration | Repetition | Rate | NoData | Anomaly


@dataclass(frozen=True, slots=True)
class Editor:
    """Who changed a rule, and when; nobody: the service itself."""

    at: datetime
    user_id: UUID | None = None
    username: str | None = None


@dataclass(frozen=True)
class RuleContent:
    """What somebody writes. Without devices and groups it is for every device."""

    name: str
    description: str
    is_enabled: bool
    metric: str | None
    device_ids: tuple[str, ...]
    groups: tuple[str, ...]
    condition: AnyCondition
    schedule: Schedule | None
    clear_after_ms: int
    severity: Severity
    message: str
    unit: str | None

    def evaluates_like(self, other: RuleContent) -> bool:
        """Tell whether the other raises and clears at the same readings."""
        return _watched(self) == _watched(other)


@dataclass(frozen=True)
class Rule:
    """A rule as it is kept. `evaluation` grows with each change of what is evaluated."""

    id: UUID
    content: RuleContent
    evaluation: int
    version: int
    created: Editor
    updated: Editor

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        glob = self.content.metric
        if glob is None:
            return None
        return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in glob))

    def is_for_metric(self, metric: str) -> bool:
        """Tell whether it watches this metric."""
        return self._pattern is not None and self._pattern.fullmatch(metric) is not None

    def is_for_device(self, device_id: str, groups: Collection[str]) -> bool:
        """Tell whether it watches this device."""
        wanted = self.content
        if not wanted.device_ids and not wanted.groups:
            return True
        return device_id in wanted.device_ids or any(group in wanted.groups for group in groups)


def _watched(content: RuleContent) -> tuple[object, ...]:
    return (
        content.is_enabled,
        content.metric,
        frozenset(content.device_ids),
        frozenset(content.groups),
        content.condition,
        content.schedule,
        content.clear_after_ms,
    )
