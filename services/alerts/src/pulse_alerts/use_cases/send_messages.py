"""Send the messages that are due: to people, programs and devices, many at once, each until it is taken or its time is over.

What is sent is first claimed and committed, so that a crash leaves a trace: a claim that runs out without a word is a
message that was perhaps sent. It is sent again under the same id, and counted as doubtful; when its time is over it is
`unknown`, never `failed`. Of one address one message is under way, so that they come in their order; while a
receiver is away everything else for it waits, and comes as one message when it is back.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from pulse_alerts.domain.channel import ChannelKind
from pulse_alerts.domain.notice import Digest
from pulse_alerts.domain.retrying import NotTaken, Outcome, Perseverance, Refused, Sent
from pulse_alerts.use_cases.notification_ports import (
    Claimed,
    Content,
    CountNotifications,
    DeviceScreens,
    NotifierWork,
    People,
    Settled,
    Webhooks,
)
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_contracts.alerts import MAX_CHANGED, AlertsWebhook

AT_ONCE: Final = 16
MOST_SPELT: Final = {ChannelKind.EMAIL: 20, ChannelKind.WEBHOOK: 100, ChannelKind.MQTT: MAX_CHANGED}
LEASE: Final = timedelta(seconds=60)
"""Longer than any attempt: a mail has 30 s."""
SETTLE_SECONDS: Final = 25.0
"""For which the database is asked again to write down what became of an attempt; then the claim runs out."""
DRAIN_SECONDS: Final = 8.0
_log = get_logger("send_messages")


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways out."""

    people: People
    webhooks: Webhooks
    screens: DeviceScreens


@dataclass(eq=False)
class SendMessages:
    """Claims and sends; `pass_once` starts what is due, `drain` waits for what was started."""

    work: NotifierWork
    ways: Ways
    perseverance: Perseverance
    clock: Clock
    count: CountNotifications
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an attempt has ended: there is room, and the next message for its address may be made."""
    rng: random.Random = field(default_factory=random.Random)
    _running: set[asyncio.Task[None]] = field(init=False, default_factory=set)

    async def pass_once(self) -> int:
        """Start to send what is due, as far as there is room; return how many. Raises UnavailableError."""
        self._reap()
        now = self.clock.now()
        room = AT_ONCE - len(self._running)
        async with self.work.change() as unit:
            lost = await unit.release_lost(now)
            claimed = await unit.claim(now, now + LEASE, room) if room else []
        if lost:
            _log.warning("messages_in_doubt", messages=lost)
            self.count("messages_doubtful", lost)
        for one in claimed:
            self._running.add(asyncio.create_task(self._send(one), name="send_message"))
        return len(claimed)

    async def drain(self) -> None:
        """Wait for what is under way, but not for long; what is cut off is in doubt, and sent again later."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _reap(self) -> None:
        done = {task for task in self._running if task.done()}
        self._running -= done
        for task in done:
            task.result()  # What is no outcome of an attempt is a mistake of ours, and ends the worker.

    async def _send(self, claimed: Claimed) -> None:
        try:
            settled = await self._attempt(claimed)
            await self._settle(claimed, settled)
        except UnavailableError as error:
            _log.warning("message_left_in_doubt", message_id=str(claimed.id), reason=error.message)
        finally:
            self.news.set()

    async def _attempt(self, claimed: Claimed) -> Settled:
        now = self.clock.now()
        kind = claimed.channel.kind
        if not claimed.is_wanted and kind is not ChannelKind.MQTT:
            return Settled("suppressed", now, "channel_disabled")
        async with self.work.change() as unit:
            content = await unit.content(claimed, now, MOST_SPELT[kind])
        if claimed.kind == "steps" and content.digest.total == 0 and kind is not ChannelKind.MQTT:
            return Settled("suppressed", now, "alarms_forgotten")
        return self._judged(claimed, await self._tell(claimed, content))

    async def _tell(self, claimed: Claimed, content: Content) -> Outcome:
        match claimed.channel.kind:
            case ChannelKind.EMAIL:
                return await self.ways.people.tell(claimed, content.digest)
            case ChannelKind.WEBHOOK:
                body = _webhook_body(claimed, content.digest)
                return await self.ways.webhooks.tell(claimed, body, content.secret)
            case ChannelKind.MQTT if content.device is not None:
                return await self.ways.screens.tell(content.device, is_kept=claimed.is_wanted)
            case _:
                return Refused("no_device", "there is no device to tell")

    def _judged(self, claimed: Claimed, outcome: Outcome) -> Settled:
        now = self.clock.now()
        match outcome:
            case Sent():
                return Settled("sent", now)
            case Refused(reason, detail):
                return Settled("failed", now, reason, detail)
            case NotTaken(reason, detail, pause, is_doubtful):
                next_at = self.perseverance.next_attempt(claimed.attempts, pause, now, self.rng)
                if next_at < claimed.deadline_at:
                    return Settled("queued", next_at, reason, detail, is_doubtful)
                return Settled("unknown" if is_doubtful else "failed", now, reason, detail, is_doubtful)

    async def _settle(self, claimed: Claimed, settled: Settled) -> None:
        backoff = Backoff(0.1, 2.0)
        end = self.clock.monotonic() + SETTLE_SECONDS
        is_settled = is_ours = False
        while not is_settled:
            try:
                async with self.work.change() as unit:
                    is_ours = await unit.settle(claimed, settled, self.clock.now())
                is_settled = True
            except UnavailableError:
                if self.clock.monotonic() >= end:
                    raise
                await self.clock.sleep(backoff.next_delay())
        if not is_ours:
            return
        if settled.state == "sent":
            self.count("messages_sent")
        elif settled.state == "queued":
            self.count("messages_retried")
        elif settled.state in {"failed", "unknown"}:
            self.count("messages_failed")
        if settled.state != "sent":
            _log.warning(
                "message_not_sent",
                message_id=str(claimed.id),
                channel_id=str(claimed.channel.id),
                state=settled.state,
                reason=settled.reason,
                attempts=claimed.attempts,
            )


def _webhook_body(claimed: Claimed, digest: Digest) -> AlertsWebhook:
    # Of what the message is about, and not of the attempt: a second one with the same id says the same.
    return AlertsWebhook(
        type="test" if claimed.kind == "test" else "alarms",
        at=int(claimed.created_at.timestamp() * 1000),
        channel=claimed.channel.name,
        notices=[notice.told() for notice in digest.notices],
        raised=digest.raised,
        cleared=digest.cleared,
        more=digest.more,
    )
