"""The notifier's worker: plan, make messages, send, again and again.

What to do is derived from the database each time, never remembered. It looks every second, and at once when somebody
wakes it: a step was committed, or a message has ended. An outage of the database is waited out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from pulse_alerts.use_cases.notification_ports import NotifierWork
from pulse_alerts.use_cases.plan_deliveries import PlanDeliveries
from pulse_alerts.use_cases.send_messages import SendMessages
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger

POLL_SECONDS: Final = 1.0
_log = get_logger("notify")


@dataclass(eq=False)
class Notify:
    """One worker."""

    work: NotifierWork
    plan: PlanDeliveries
    send: SendMessages
    clock: Clock
    _is_broker_back: bool = field(init=False, default=False)

    def wake(self) -> None:
        """Have it look now."""
        self.send.news.set()

    def broker_is_back(self) -> None:
        """Have devices told again what is true."""
        self._is_broker_back = True
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, and then until what is under way has ended."""
        stopping = asyncio.create_task(stop.wait(), name="notify_stop")
        backoff = Backoff(0.1, 2.0)
        is_away = False
        try:
            while not stop.is_set():
                self.send.news.clear()
                try:
                    await self.step()
                except UnavailableError as error:
                    if not is_away:
                        _log.warning("notifying_paused", reason=error.message)
                    is_away = True
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
                    continue
                is_away = False
                backoff.reset()
                await self._wait(stopping)
            await self.send.drain()
        finally:
            stopping.cancel()

    async def step(self) -> None:
        """Do what there is to do now. Raises UnavailableError."""
        if self._is_broker_back:
            async with self.work.change() as unit:
                await unit.tell_screens_again(self.clock.now())
            self._is_broker_back = False
        await self.plan()
        await self.send.pass_once()

    async def _wait(self, stopping: asyncio.Task[bool]) -> None:
        news = asyncio.create_task(self.send.news.wait(), name="notify_news")
        try:
            await asyncio.wait({stopping, news}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
