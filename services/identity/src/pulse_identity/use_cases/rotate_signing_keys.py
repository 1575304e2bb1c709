"""Changing the key that access tokens are signed with, so that no token is refused for it.

The next key is published before it signs, for longer than anybody may keep an old set of keys; the key before it stays
published until the last token that it signed has ended. Safe when several processes do it at once: one does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.audit import AuditResource
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS
from pulse_identity.domain.credentials import SealedKey
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.tell_audit import ITSELF, tell_audit

MakeKey = Callable[[datetime], SealedKey]
"""Makes a sealed key that signs from then on."""
_log = get_logger("keys")


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """How long a key signs, and how long before that it is published.

    Verifiers keep keys for 300 s, proxies for 60 s more, and other processes of identity for 30 s.
    """

    signs: timedelta = timedelta(days=30)
    ahead: timedelta = timedelta(minutes=10)
    margin: timedelta = timedelta(minutes=2)
    """Clocks differ, and a process may sign with the old key for as long as it keeps its keys."""


class RotateSigningKeys:
    """Adds the next key when it is time, and forgets keys that no token needs."""

    def __init__(self, work: Work, make_key: MakeKey, clock: Clock, times: KeyTimes) -> None:
        self._work = work
        self._make_key = make_key
        self._clock = clock
        self._times = times

    async def __call__(self, *, at_once: bool = False) -> datetime | None:
        """Make one pass; `at_once` does not wait for the key's age.

        Returns when the key that was added begins to sign, None when none was needed or one is on its way already.
        """
        now = self._clock.now()
        async with self._work() as unit:
            await unit.lock("signing-keys")
            keys = await unit.signing_keys.all()
            gone = await unit.signing_keys.remove(now)
            if keys and not self._is_due(keys[0].signs_from, now, at_once=at_once):
                return None
            # The very first key has nobody to wait for.
            following = self._make_key(now + self._times.ahead if keys else now)
            until = following.signs_from + timedelta(seconds=ACCESS_TOKEN_SECONDS) + self._times.margin
            for key in keys:
                if key.published_until is None:
                    await unit.signing_keys.retire(key.key_id, until)
            await unit.signing_keys.add(following)
            told = {"signs_from": following.signs_from.isoformat()}
            resource = AuditResource(type="signing_key", id=following.key_id)
            await tell_audit(unit, "signing_key.added", resource, by=ITSELF, after=told)
        _log.info(
            "signing_key_added", key_id=following.key_id, signs_from=following.signs_from.isoformat(), forgotten=gone
        )
        return following.signs_from

    def _is_due(self, newest: datetime, now: datetime, *, at_once: bool) -> bool:
        return newest <= now and (at_once or now + self._times.ahead >= newest + self._times.signs)
