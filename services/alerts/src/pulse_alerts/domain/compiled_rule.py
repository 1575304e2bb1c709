"""Rules in the form in which they are put on devices: what has to be worked out once, and which are for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pulse_alerts.domain.conditions import NoData
from pulse_alerts.domain.lanes import Lane, make_lane
from pulse_alerts.domain.rule import Rule
from pulse_alerts.domain.schedule import Hours

_MINUTE_MS: Final = 60_000
_WEEK_MINUTES: Final = 8 * 24 * 60


class CompiledRule:
    """A rule, ready to be put on devices."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        schedule = rule.content.schedule
        self.hours = None if schedule is None else Hours(schedule)
        condition = rule.content.condition
        self.no_data = condition if isinstance(condition, NoData) else None
        self.silence_ms = round(self.no_data.for_seconds * 1_000) if self.no_data else 0
        self.since_ms = round(rule.updated.at.timestamp() * 1_000)
        """Nobody asked for what was silent before."""

    def lane(self) -> Lane | None:
        """Return a lane for a series."""
        return make_lane(self.rule.content.condition, self.rule.content.clear_after_ms, self.hours)

    def first_allowed(self, at_ms: int) -> int:
        """Return the moment from which silence may raise: at once, or when its hours begin."""
        if self.hours is None or self.hours.allow(at_ms):
            return at_ms
        minute = at_ms // _MINUTE_MS + 1
        last = minute + _WEEK_MINUTES
        while minute < last and not self.hours.allow(minute * _MINUTE_MS):
            minute += 1
        return minute * _MINUTE_MS


def compile_rules(rules: Sequence[Rule]) -> Callable[[str, Sequence[str]], list[CompiledRule]]:
    """Return a function that gives the enabled rules for a device in these groups."""
    compiled = [CompiledRule(rule) for rule in rules if rule.content.is_enabled]
    for_all = [one for one in compiled if not one.rule.content.device_ids and not one.rule.content.groups]
    by_device: dict[str, list[CompiledRule]] = {}
    by_group: dict[str, list[CompiledRule]] = {}
    for one in compiled:
        for device_id in one.rule.content.device_ids:
            by_device.setdefault(device_id, []).append(one)
        for group in one.rule.content.groups:
            by_group.setdefault(group, []).append(one)

    def rules_for(device_id: str, groups: Sequence[str]) -> list[CompiledRule]:
        found = {one.rule.id: one for one in for_all}
        for more in (by_device.get(device_id, ()), *(by_group.get(group, ()) for group in groups)):
            found.update({one.rule.id: one for one in more})
        return list(found.values())

    return rules_for
