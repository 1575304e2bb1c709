"""How often one caller may call, counted in Redis for all processes of a service (GCRA, one script).

A caller has `requests` at once, and gets them back evenly over `seconds`. Without Redis nobody is counted and nobody is
refused: what must stay shut then (guessing passwords and codes) has a limit of its own that fails closed. An outage
costs a request at most `ASK_SECONDS`, once a second.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.edge_policy import Rate, RateClass
from pulse_chassis.logging import get_logger

ASK_SECONDS: Final = 0.5
AGAIN_SECONDS: Final = 1.0
_log = get_logger("rate_limits")

# KEYS: the caller's theoretical arrival time. ARGV: microseconds between requests, microseconds of all at once.
# Whole microseconds of today need 51 bits: a double holds them exactly.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local room = window - (arrival - now)
if room < interval then return {0, 0, interval - room, arrival - now} end
arrival = arrival + interval
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
return {1, math.floor((room - interval) / interval), 0, arrival - now}
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one request: whether it is admitted, how many more are, and the seconds until when."""

    rate_class: RateClass
    rate: Rate
    is_admitted: bool
    remaining: int
    retry_after: float
    full_after: float
    """Until the caller has all requests again."""


class RateLimiter:
    """Counts requests by class and caller."""

    def __init__(self, redis: Redis, service: str, rates: Mapping[RateClass, Rate], clock: Clock | None = None) -> None:
        self._service = service
        self._rates = rates
        self._clock = clock or SystemClock()
        self._script = redis.register_script(_TAKE)
        self._is_away = False
        self._ask_again_at = 0.0

    async def take(self, rate_class: RateClass, caller: str) -> Verdict | None:
        """Count one request; None when nobody is counted at this moment."""
        if self._is_away and self._clock.monotonic() < self._ask_again_at:
            return None
        rate = self._rates[rate_class]
        interval_us = max(1, round(rate.seconds * 1_000_000 / rate.requests))
        # Addresses and ids of people stay out of Redis.
        name = hashlib.sha256(caller.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        key = f"{self._service}:rate:{rate_class}:{name}"
        try:
            async with asyncio.timeout(ASK_SECONDS):
                answer = await self._script(keys=[key], args=[interval_us, interval_us * rate.requests])
        except (RedisError, OSError, TimeoutError) as error:
            self._note_away(error)
            return None
        if self._is_away:
            _log.info("rate_limits_resumed")
            self._is_away = False
        return _verdict(rate_class, rate, answer)

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            _log.warning("rate_limits_suspended", reason=type(error).__name__)
        self._is_away = True
        self._ask_again_at = self._clock.monotonic() + AGAIN_SECONDS


def rate_limiter(rates: Mapping[RateClass, Rate] | None, redis: Redis, service: str) -> RateLimiter | None:
    """Return what counts a service's requests; None when nobody is to be counted."""
    return None if rates is None else RateLimiter(redis, service, rates)


def _verdict(rate_class: RateClass, rate: Rate, answer: Any) -> Verdict:
    is_admitted, remaining, wait_us, full_us = (int(number) for number in answer)
    return Verdict(rate_class, rate, bool(is_admitted), remaining, wait_us / 1e6, full_us / 1e6)
