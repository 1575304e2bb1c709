"""Try a rule on stored readings before it is saved: when it would have raised and cleared, and on what values.

Bounded by devices, by readings of each, and by time, so that it answers while somebody waits; what it could not look
at, it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pulse_alerts.domain.alarm import Found, found, unix_ms
from pulse_alerts.domain.rule import Editor, Rule, RuleContent
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.ports import EvaluationStore, History, Work
from pulse_alerts.use_cases.replay_history import Stretch, replay_history
from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError
from pulse_chassis.principal import Principal
from pulse_contracts.permissions import Permission

MAX_DEVICES: Final = 20
MAX_READINGS: Final = 200_000
MAX_FOUND: Final = 1_000
MAX_SPAN: Final = timedelta(days=31)
MAX_SECONDS: Final = 10.0
EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""What ingest believes (delivery.md, ingest, 9)."""


@dataclass(frozen=True, slots=True)
class TriedDevice:
    """What the rule would have found on one device; `last_ms` is up to where it looked."""

    device_id: str
    found: Sequence[Found]
    readings: int
    last_ms: int | None
    is_complete: bool


@dataclass(eq=False)
class TryRule:
    """For whoever may write rules."""

    work: Work
    store: EvaluationStore
    history: History
    clock: Clock

    async def __call__(
        self, principal: Principal, content: RuleContent, device_ids: Sequence[str], start: datetime, end: datetime
    ) -> list[TriedDevice]:
        """Return what it would have found; without `device_ids` on the first devices that it is for.

        Raises InvalidError for more than `MAX_SPAN`, or a device that is not in scope.
        """
        if not EARLIEST <= start < end or end - start > MAX_SPAN:
            message = f"give a stretch of {MAX_SPAN.days} days at most, after {EARLIEST.year}"
            raise InvalidError(message, code="invalid_range", field="to")
        async with self.work.look() as reads:
            caller = await authorise(
                reads.directory, principal, Permission.ALERT_RULES_WRITE, Permission.TELEMETRY_READ
            )
            devices = {one.device_id: one for one in await self.store.devices()}
            seen = await reads.directory.seen(caller, list(device_ids) or list(devices))
        unknown = set(device_ids) - seen
        if unknown:
            message = f"there is no device {min(unknown)}"
            raise InvalidError(message, code="unknown_device", field="device_ids")
        rule = _drafted(content, start)
        chosen = [
            device
            for device_id, device in sorted(devices.items())
            if device_id in seen and rule.is_for_device(device_id, device.groups)
        ][:MAX_DEVICES]
        series = await self.store.series()
        began = self.clock.monotonic()
        tried = []
        for device in chosen:
            if self.clock.monotonic() - began > MAX_SECONDS:
                tried.append(TriedDevice(device.device_id, (), 0, None, is_complete=False))
                continue
            stretch = Stretch(unix_ms(start), unix_ms(end) - 1, MAX_READINGS, MAX_FOUND)
            replay = await replay_history(self.history, [rule], device, series.get(device.device_id, {}), stretch)
            names = {device.device_id: device.name}
            tried.append(
                TriedDevice(
                    device.device_id,
                    [found(finding, names) for finding in replay.findings],
                    replay.readings,
                    replay.last_ms,
                    replay.is_complete,
                )
            )
        return tried


def _drafted(content: RuleContent, start: datetime) -> Rule:
    """Return the rule as if it were enabled, and had been from the beginning."""
    editor = Editor(start)
    enabled = RuleContent(**{**vars(content), "is_enabled": True})
    return Rule(UUID(int=0), enabled, 1, 1, editor, editor)
