"""Decide which channels are told of a step, and when what waits for a channel becomes a message.

Guaranteed: a step is planned once for each channel, in the transaction that takes it away from what is due; a message is
made in the transaction that gives it its steps. So whatever dies in between, each step is in one message of a channel
at most, and in one in the end. Several workers may do this at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pulse_alerts.domain.channel import Channel, ChannelKind
from pulse_alerts.domain.notice import Notice
from pulse_alerts.domain.release import Held, decide
from pulse_alerts.domain.retrying import Perseverance
from pulse_alerts.use_cases.notification_ports import CountNotifications, NotifierWork, Planned
from pulse_chassis.clock import Clock

PASS_STEPS: Final = 500
PASS_LOADS: Final = 500


@dataclass(eq=False)
class PlanDeliveries:
    """One pass over what is due, and one over what waits."""

    work: NotifierWork
    perseverance: Perseverance
    clock: Clock
    count: CountNotifications

    async def __call__(self) -> int:
        """Return how many messages were made. Raises UnavailableError."""
        while await self.plan() == PASS_STEPS:
            continue
        return await self.form()

    async def plan(self) -> int:
        """Plan steps for channels; return how many steps were taken."""
        now = self.clock.now()
        async with self.work.change() as unit:
            due = await unit.take_due(PASS_STEPS)
            planned = _planned(due, await unit.enabled_channels() if due else [], now)
            await unit.plan(planned, now)
        suppressed = sum(one.suppressed is not None for one in planned)
        self.count("notifications_suppressed", suppressed)
        self.count("notifications_planned", len(planned) - suppressed)
        return len(due)

    async def form(self) -> int:
        """Make messages of what need not wait any longer; return how many."""
        now = self.clock.now()
        deadline = now + self.perseverance.give_up_after
        formed = 0
        async with self.work.change() as unit:
            for load in await unit.loads(PASS_LOADS):
                decided = decide(load.channel.manners, load.waiting, load.sent, now)
                if not isinstance(decided, Held):
                    await unit.form(load, decided, now, deadline)
                    formed += 1
            formed += await unit.renew_stale_topics(now, deadline, PASS_LOADS)
        self.count("messages_formed", formed)
        return formed


def _planned(due: Sequence[Notice], channels: Sequence[Channel], now: datetime) -> list[Planned]:
    return [
        Planned(
            channel_id=channel.id,
            step_id=notice.step_id,
            alarm_id=notice.alarm_id,
            address=notice.device_id if channel.kind is ChannelKind.MQTT else "",
            is_critical=notice.severity == "critical",
            suppressed=notice.silenced(now),
        )
        for notice in due
        for channel in channels
        if channel.wanted.admits(notice)
    ]
