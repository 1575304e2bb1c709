"""Sessions that were ended while their access tokens are still good, known to every service within a second.

Tokens are verified offline, so a service follows `pulse:access` and refuses the tokens of each session that identity
announced as ended. At the start it reads back as far as a token can live. Ids of the stream are times, so after an
outage it goes on from where it was. While Redis is away nothing new is learned: a token is then good until it expires,
ten minutes at most. Memory is bounded: what is older than two token lives is forgotten, then the oldest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from redis.asyncio import Redis

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.endless import run_until
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_chassis.streams import StreamReader, epoch
from pulse_contracts.streams import ACCESS_STREAM, AccessChanged
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS

LOOK_BACK_MS: Final = 2 * ACCESS_TOKEN_SECONDS * 1000
MAX_SESSIONS: Final = 50_000
READ_COUNT: Final = 500
BLOCK_MS: Final = 500
EPOCH_CHECK_SECONDS: Final = 1.0
_log = get_logger("revocations")


class RevokedSessions:
    """The sessions whose tokens are refused; its worker keeps the set current."""

    def __init__(self, redis: Redis, *, clock: Clock | None = None) -> None:
        self._redis = redis
        self._reader = StreamReader(redis, ACCESS_STREAM)
        self._clock = clock or SystemClock()
        self._ended: dict[UUID, int] = {}
        self._position: str | None = None
        self._epoch: str | None = None
        self._checked_at = 0.0
        self._is_down = False
        self._listeners: list[Callable[[AccessChanged | None], None]] = []

    def listen(self, listener: Callable[[AccessChanged | None], None]) -> None:
        """Have `listener` called with each announcement, of whatever kind; with None when some may have been lost."""
        self._listeners.append(listener)

    def __contains__(self, session_id: object) -> bool:
        """Whether the session was announced as ended."""
        return session_id in self._ended

    def worker(self) -> Worker:
        """Return the worker that follows the stream."""
        return Worker("revoked_sessions", self.run)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the announcements until `stop`; an outage of Redis is waited out."""
        await run_until(stop, self._follow(), name="revoked_sessions")

    async def _follow(self) -> None:
        backoff = Backoff(0.05, 1.0)
        while True:
            try:
                await self._step()
                self._note(is_down=False)
                backoff.reset()
            except UnavailableError as error:
                self._note(is_down=True, reason=error.message)
                await asyncio.sleep(0.02 + backoff.next_delay())

    async def _step(self) -> None:
        now = self._clock.monotonic()
        if self._position is None or now - self._checked_at >= EPOCH_CHECK_SECONDS:
            found = await epoch(self._redis, ACCESS_STREAM)
            if found != self._epoch:
                # A new stream (or our start): its ids are times as well, so reading back from a moment is right.
                if self._epoch is not None:
                    self._tell(None)
                self._epoch = found
                self._position = f"{max(0, self._now_ms() - LOOK_BACK_MS)}-0"
            self._checked_at = now
        batch = await self._reader.read(self._position or "0-0", READ_COUNT, BLOCK_MS)
        if batch:
            self.take(batch)
            self._position = batch[-1][0]

    def take(self, batch: Sequence[tuple[str, bytes]]) -> None:
        """Note the sessions that these entries of the stream announce as ended; tell the listeners of all."""
        for entry_id, payload in batch:
            try:
                change = AccessChanged.model_validate_json(payload)
            except ValidationError:
                _log.warning("entry_not_read", stream=ACCESS_STREAM, entry=entry_id)
                continue
            if change.kind == "session_revoked" and change.session_id is not None:
                self._ended[change.session_id] = int(entry_id.partition("-")[0])
            self._tell(change)
        self._forget()

    def _tell(self, change: AccessChanged | None) -> None:
        for listener in self._listeners:
            listener(change)

    def _forget(self) -> None:
        limit = self._now_ms() - LOOK_BACK_MS
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest] >= limit and len(self._ended) <= MAX_SESSIONS:
                return
            del self._ended[oldest]

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _note(self, *, is_down: bool, reason: str | None = None) -> None:
        if is_down and not self._is_down:
            _log.warning("revocations_not_followed", reason=reason)
        elif self._is_down and not is_down:
            _log.info("revocations_followed_again")
        self._is_down = is_down
