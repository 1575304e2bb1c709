"""Hear from identity that a device changed, and forget what we knew of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.endless import run_until
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_contracts.ids import ClientId

_log = get_logger("follow_devices")


class DeviceNews(Protocol):
    """The devices stream, as far as identity writes it."""

    async def changed_devices(self) -> list[ClientId]:
        """Wait a little for news and return whose registration changed. Raises UnavailableError."""
        ...


class FollowDevices:
    """One worker. After an interruption everything is looked up again: news may have been missed."""

    def __init__(
        self,
        news: Callable[[], Awaitable[DeviceNews]],
        forget: Callable[[ClientId], None],
        forget_all: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._open_news = news
        self._forget = forget
        self._forget_all = forget_all
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`."""
        await run_until(stop, self._follow(), name="follow_devices")

    async def _follow(self) -> None:
        backoff = Backoff(0.2, 5.0)
        is_away = False
        while True:
            try:
                news = await self._open_news()
                self._forget_all()
                if is_away:
                    _log.info("device_news_recovered")
                is_away = False
                while True:
                    for client_id in await news.changed_devices():
                        self._forget(client_id)
                    backoff.reset()
            except UnavailableError as error:
                if not is_away:
                    _log.warning("device_news_lost", reason=error.message)
                is_away = True
                await self._clock.sleep(backoff.next_delay())
