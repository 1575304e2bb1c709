"""Who may try to sign in or enrol again, and when: counts in Redis, shared by all processes, each script atomic.

An attempt takes a token from its address's bucket before it is tried and gets it back when it was right, so a thousand
attempts at once cannot pass before the first has failed. Once an account is being guessed at, attempts from unknown
addresses take turns. Without Redis nobody is admitted: guessing must not become free by an outage.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pulse_chassis.client_address import address_group
from pulse_chassis.errors import RateLimitedError, UnavailableError
from pulse_identity.domain.attempts import FORGET_SECONDS, delay_after

_PREFIX: Final = "identity:limits"
_KNOWN_SECONDS: Final = 30 * 24 * 3600
"""An address that a person signed in from is theirs for a month."""
_DELAYS: Final = [delay_after(failures) for failures in range(20)]

# KEYS: known, count of the account, count of account and address, bucket. ARGV: capacity, refill, delays…
_ADMIT: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local count = KEYS[2]
if redis.call('EXISTS', KEYS[1]) == 1 then count = KEYS[3] end
local wait = tonumber(redis.call('HGET', count, 'until') or '0') - now
if wait > 0 then return {'account', tostring(wait)} end
local capacity, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket = redis.call('HMGET', KEYS[4], 'tokens', 'at')
local tokens = tonumber(bucket[1] or capacity)
local gained = (now - tonumber(bucket[2] or now)) * refill
tokens = math.min(capacity, tokens + math.max(0, gained))
if tokens < 1 then return {'address', tostring((1 - tokens) / refill)} end
redis.call('HSET', KEYS[4], 'tokens', tostring(tokens - 1), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[4], math.ceil(capacity / refill) + 1)
local failures = tonumber(redis.call('HGET', count, 'failures') or '0')
local delay = tonumber(ARGV[3 + math.min(failures, #ARGV - 3)])
if delay > 0 then redis.call('HSET', count, 'until', string.format('%.6f', now + delay)) end
return {'', '0'}
"""

# KEYS as above. ARGV: seconds to forget, delays…
_FAILED: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local count = KEYS[2]
if redis.call('EXISTS', KEYS[1]) == 1 then count = KEYS[3] end
local failures = redis.call('HINCRBY', count, 'failures', 1)
local delay = tonumber(ARGV[2 + math.min(failures, #ARGV - 2)])
redis.call('HSET', count, 'until', string.format('%.6f', now + delay))
redis.call('EXPIRE', count, tonumber(ARGV[1]))
return 0
"""

# KEYS as above. ARGV: seconds that an address is known, capacity.
_SUCCEEDED: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[3])
else
  redis.call('DEL', KEYS[2], KEYS[3])
end
redis.call('SET', KEYS[1], '1', 'EX', tonumber(ARGV[1]))
if redis.call('EXISTS', KEYS[4]) == 1 then
  local tokens = tonumber(redis.call('HGET', KEYS[4], 'tokens') or '0')
  redis.call('HSET', KEYS[4], 'tokens', tostring(math.min(tonumber(ARGV[2]), tokens + 1)))
end
return 0
"""

# KEYS: bucket. ARGV: capacity.
_GIVE_BACK: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  local tokens = tonumber(redis.call('HGET', KEYS[1], 'tokens') or '0')
  redis.call('HSET', KEYS[1], 'tokens', tostring(math.min(tonumber(ARGV[1]), tokens + 1)))
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many wrong attempts an address has: `capacity` at once, then `refill` per second."""

    capacity: float
    refill: float


REGISTRATIONS: Final = Bucket(capacity=5, refill=1 / 600)
"""New accounts from one address: five at once, then one each ten minutes."""


class RedisLimits:
    """A `SignInLimits` over Redis or Valkey."""

    def __init__(self, redis: Redis, *, sign_in: Bucket, enrolment: Bucket) -> None:
        self._sign_in = sign_in
        self._enrolment = enrolment
        self._admit = redis.register_script(_ADMIT)
        self._failed = redis.register_script(_FAILED)
        self._succeeded = redis.register_script(_SUCCEEDED)
        self._give_back = redis.register_script(_GIVE_BACK)

    async def admit(self, account: str, address: str) -> None:
        """Count an attempt against account and address; raises RateLimitedError when it comes too early."""
        await self._admit_to(_keys("sign-in", account, address), self._sign_in, _DELAYS)

    async def failed(self, account: str, address: str) -> None:
        """Note that the attempt was wrong."""
        await _call(self._failed, _keys("sign-in", account, address), [FORGET_SECONDS, *_DELAYS])

    async def succeeded(self, account: str, address: str) -> None:
        """Note that it was right: the account's count ends, the attempt is given back, the address is known."""
        await _call(self._succeeded, _keys("sign-in", account, address), [_KNOWN_SECONDS, self._sign_in.capacity])

    async def abandoned(self, account: str, address: str) -> None:
        """Note that the attempt was never looked at (we were too busy): it is given back."""
        await _call(self._give_back, _keys("sign-in", account, address)[3:], [self._sign_in.capacity])

    async def admit_enrolment(self, address: str) -> None:
        """Count an enrolment attempt against the address; raises RateLimitedError."""
        await self._admit_to(_keys("enrol", "", address), self._enrolment, [0])

    async def admit_registration(self, address: str) -> None:
        """Count a registration against the address; raises RateLimitedError."""
        await self._admit_to(_keys("register", "", address), REGISTRATIONS, [0])

    async def enrolled(self, address: str) -> None:
        """Give an attempt back that was right."""
        await _call(self._give_back, _keys("enrol", "", address)[3:], [self._enrolment.capacity])

    async def _admit_to(self, keys: list[str], bucket: Bucket, delays: list[int]) -> None:
        verdict, wait = await _call(self._admit, keys, [bucket.capacity, bucket.refill, *delays])
        if verdict == b"account":
            message = "too many wrong attempts for this account; try again later"
            raise RateLimitedError(message, code="account_delayed", retry_after=float(wait))
        if verdict == b"address":
            message = "too many wrong attempts from this address; try again later"
            raise RateLimitedError(message, code="address_limited", retry_after=float(wait))


def _keys(purpose: str, account: str, address: str) -> list[str]:
    name, place = _digest(account.casefold()), _digest(address_group(address))
    start = f"{_PREFIX}:{purpose}"
    return [
        f"{start}:known:{name}:{place}",
        f"{start}:account:{name}",
        f"{start}:pair:{name}:{place}",
        f"{start}:address:{place}",
    ]


def _digest(text: str) -> str:
    # Names and addresses of people stay out of Redis, and strange characters out of its keys.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


async def _call(script: Any, keys: list[str], arguments: list[Any]) -> Any:
    try:
        return await script(keys=keys, args=arguments)
    except (RedisError, OSError, TimeoutError) as error:
        message = "sign-in is not possible at this moment"
        raise UnavailableError(message, code="limits_unavailable", retry_after=2.0) from error
