"""Hear that a device came online, and have what waits for it published at once.

Only for speed: whoever is there is in ingest's published view, which is looked at in any case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.endless import run_until
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger

_log = get_logger("follow_presence")


class PresenceNews(Protocol):
    """The devices stream, as far as it says who is there."""

    async def arrived_devices(self) -> list[str]:
        """Wait a little for news and return who came online. Raises UnavailableError."""
        ...


class FollowPresence:
    """One worker."""

    def __init__(
        self,
        open_news: Callable[[], Awaitable[PresenceNews]],
        wake: Callable[[Collection[str]], None],
        clock: Clock,
    ) -> None:
        self._open_news = open_news
        self._wake = wake
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`."""
        await run_until(stop, self._follow(), name="follow_presence")

    async def _follow(self) -> None:
        backoff = Backoff(0.2, 5.0)
        is_away = False
        while True:
            try:
                news = await self._open_news()
                if is_away:
                    _log.info("presence_news_recovered")
                is_away = False
                while True:
                    arrived = await news.arrived_devices()
                    if arrived:
                        self._wake(arrived)
                    backoff.reset()
            except UnavailableError as error:
                if not is_away:
                    _log.warning("presence_news_lost", reason=error.message)
                is_away = True
                await self._clock.sleep(backoff.next_delay())
