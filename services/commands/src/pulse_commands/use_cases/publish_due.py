"""Publish what is due to devices that are there, and end what nobody will answer any more.

What to do is derived from the database each time, never remembered: a process that dies anywhere, a broker that lost
everything and a second replica change nothing. Guaranteed: of one device one command is on its way at a time, in the order
of the counters, the next when the one before has ended; a step is committed before the broker gets the token, so what
is `queued` was never published; of several replicas one publishes a command at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_commands.domain.asking import Patience, broker_keeps_seconds, closed
from pulse_commands.domain.command import BY_SERVICE, Changed, Command, stepped
from pulse_commands.domain.life import cancel, expire, give_up, publish
from pulse_commands.use_cases.ports import Count, Downlink, Due, Moment, Work
from pulse_contracts.commands import CommandState

PASS_COMMANDS: Final = 500
MAX_ROUNDS: Final = 20
MAX_WOKEN: Final = 5_000
"""Devices that are remembered one by one; beyond that all are looked at."""
_log = get_logger("publish_due")


@dataclass(eq=False)
class PublishDue:
    """One worker. All devices are looked at every `poll_seconds`, one that was woken at once."""

    work: Work
    downlink: Downlink
    patience: Patience
    clock: Clock
    count: Count
    poll_seconds: float
    _woken: set[str] = field(init=False, default_factory=set)
    _news: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _full_at: float = field(init=False, default=float("-inf"))

    def wake(self, device_ids: Collection[str]) -> None:
        """Have these devices looked at now."""
        if not device_ids:
            return
        if len(self._woken) < MAX_WOKEN:
            self._woken.update(device_ids)
        else:
            self._full_at = float("-inf")
        self._news.set()

    def wake_all(self) -> None:
        """Have all devices looked at now: the broker is back."""
        self._full_at = float("-inf")
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; an outage of the database is waited out."""
        stopping = asyncio.create_task(stop.wait(), name="publish_due_stop")
        backoff = Backoff(0.1, 2.0)
        is_away = False
        try:
            while not stop.is_set():
                try:
                    await self._step()
                    is_away = False
                    backoff.reset()
                except UnavailableError as error:
                    if not is_away:
                        _log.warning("publishing_paused", reason=error.message)
                    is_away = True
                    self.wake_all()
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
                    continue
                await self._wait(stopping)
        finally:
            stopping.cancel()

    async def _step(self) -> None:
        self._news.clear()
        woken, self._woken = self._woken, set()
        is_full = self.clock.monotonic() - self._full_at >= self.poll_seconds
        if is_full:
            self._full_at = self.clock.monotonic()
            for _ in range(MAX_ROUNDS):
                if await self.end_overdue() < PASS_COMMANDS:
                    break
        if is_full or woken:
            for _ in range(MAX_ROUNDS):
                if await self.publish_due(None if is_full else woken) < PASS_COMMANDS:
                    break

    async def _wait(self, stopping: asyncio.Task[bool]) -> None:
        news = asyncio.create_task(self._news.wait(), name="publish_due_news")
        seconds = max(0.0, self._full_at + self.poll_seconds - self.clock.monotonic())
        try:
            await asyncio.wait({stopping, news}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def end_overdue(self) -> int:
        """End what was never published and is no longer good, and what was published and never answered."""
        now = self.clock.now()
        async with self.work.change() as unit:
            held = await unit.overdue(now, self.patience, PASS_COMMANDS)
            changes = [self._ended(command, now) for command in held]
            await unit.save(changes)
        for changed in changes:
            self.count("expired" if changed.command.life.state is CommandState.EXPIRED else "given_up")
        return len(changes)

    async def publish_due(self, device_ids: Collection[str] | None) -> int:
        """Publish what is due; return how many commands were looked at."""
        connected_at = self.downlink.connected_at
        if connected_at is None:
            return 0
        now = self.clock.now()
        async with self.work.change() as unit:
            due = await unit.due(Moment(now, connected_at, self.patience.retry), device_ids, PASS_COMMANDS)
            held = await unit.locked([one.command_id for one in due], skip=True)
            taken = [one for one in due if _is_still_due(one, held.get(one.command_id))]
            # Signed when it was sent; whoever has lost the right since then must not have it done now.
            barred = await unit.barred([one.command_id for one in taken if one.published_at is None])
            await unit.save(
                [
                    _withdrawn(held[one.command_id], now)
                    if one.command_id in barred
                    else self._published(held[one.command_id], now)
                    for one in taken
                ]
            )
        if barred:
            self.count("cancelled", len(barred))
            self.wake([one.device_id for one in taken if one.command_id in barred])
        await self._send([one for one in taken if one.command_id not in barred], now)
        return len(due) if taken else 0

    async def _send(self, taken: Sequence[Due], now: datetime) -> None:
        results = await asyncio.gather(
            *(self.downlink.send(one.device_id, one.token, broker_keeps_seconds(one.expires_at, now)) for one in taken)
        )
        for one, was_taken in zip(taken, results, strict=True):
            if not was_taken:
                self.count("publishes_failed")
            else:
                self.count("published" if one.published_at is None else "asked_again")

    def _published(self, command: Command, now: datetime) -> Changed:
        schedule = self.patience.published(command.schedule, now)
        life = publish(command.life)
        if life is None:
            return Changed(replace(command, schedule=schedule))
        changed = stepped(command, life, BY_SERVICE, now)
        return Changed(replace(changed.command, schedule=schedule), changed.steps)

    def _ended(self, command: Command, now: datetime) -> Changed:
        life = expire(command.life)
        if life is not None:
            changed = stepped(command, life, BY_SERVICE, now, "the device was not there before it expired")
            return Changed(replace(changed.command, schedule=closed(command.schedule)), changed.steps)
        life = give_up(command.life)
        if life is None:
            return Changed(command)
        changed = stepped(command, life, BY_SERVICE, now, "the device has not said what became of it")
        return Changed(replace(changed.command, schedule=self.patience.given_up(command.schedule, now)), changed.steps)


def _withdrawn(command: Command, now: datetime) -> Changed:
    life = cancel(command.life)
    if life is None:
        return Changed(command)
    changed = stepped(command, life, BY_SERVICE, now, "its sender may not send it any more")
    return Changed(replace(changed.command, schedule=closed(command.schedule)), changed.steps)


def _is_still_due(seen: Due, held: Command | None) -> bool:
    """Say whether nobody published it since it was seen, and it did not end; an unknown one is asked for."""
    if held is None or held.schedule.published_at != seen.published_at:
        return False
    return not held.life.has_ended or held.schedule.ask_until is not None
