"""Argon2id in a bounded executor: hashing costs tens of milliseconds and 19 MiB, on purpose.

So many run at a time, so many wait, and the next one is refused with 503 instead of piling up: a flood of sign-ins
must not take memory from, or delay, requests that only check a token. For the same reason a hashing thread stands back:
on a machine that is busy it gets about a tenth of a core beside one that is not nice, and all that is free otherwise.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pulse_chassis.errors import UnavailableError

MIN_MEMORY_KIB: Final = 19 * 1024
"""OWASP's floor for t=2, p=1."""
_RETRY_SECONDS: Final = 1.0
_STEPS_BACK: Final = 10
"""Weight 110 against 1,024: signing in is slower where others need the core, and never starves (the last is 15)."""
_LAST: Final = 19

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What a hash costs, and how many at once: `workers` run, `waiting` more may wait."""

    memory_kib: int = MIN_MEMORY_KIB
    passes: int = 2
    lanes: int = 1
    workers: int = 2
    waiting: int = 64


class Argon2Passwords:
    """A `PasswordHasher` of identity."""

    def __init__(self, cost: Argon2Cost) -> None:
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._executor = ThreadPoolExecutor(cost.workers, thread_name_prefix="argon2", initializer=_step_back)
        self._bound = cost.workers + cost.waiting
        self._admitted = 0
        # What an unknown username is compared with: it costs what a real one does, and nothing matches it.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))

    @property
    def pending(self) -> int:
        """How many hashes run or wait."""
        return self._admitted

    async def hash(self, password: str) -> str:
        """Return the hash to store; raises UnavailableError when too many are waiting."""
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare; with None (no such user) it takes as long and says no."""

        def compare() -> bool:
            try:
                self._hasher.verify(stored or self._nobody, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False
            return stored is not None

        return await self._run(compare)

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let running hashes end, drop waiting ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._admitted >= self._bound:
            message = "too many people are signing in at this moment"
            raise UnavailableError(message, code="password_checks_busy", retry_after=_RETRY_SECONDS)
        self._admitted += 1
        future = self._executor.submit(work)
        # Counted until the thread is free again, also when the request was given up.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        return await asyncio.wrap_future(future)

    def _release(self) -> None:
        self._admitted -= 1


def _step_back() -> None:
    """Let everything else on the machine run before this thread: only Linux gives a thread a priority of its own."""
    if sys.platform == "linux":
        nice = min(os.getpriority(os.PRIO_PROCESS, 0) + _STEPS_BACK, _LAST)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
