"""Making the broker's accounts follow the registry after whatever went wrong in between.

A process that died between the broker's answer and its commit leaves an account without a device, one in the wrong
state, or a proposed key: settled when the broker has it, withdrawn when not, so that the key that the broker has is a
valid one in either case. Each repair is decided again under the device's lock, so it never undoes a change that is just
being made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_identity.domain.reconciliation import Repair, compare, repair_for
from pulse_identity.use_cases.hand_over_key import withdraw_key
from pulse_identity.use_cases.ports import BrokerAccounts, Work
from pulse_identity.use_cases.register_devices import device_lock

ORPHAN_AGE: Final = timedelta(seconds=60)
"""How long an account may be without a device: longer than any registration takes."""
_log = get_logger("reconciler")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass did; `missing` devices have no account, or one with an unknown key, and need a rotated key.

    `handed_over` are rotations that were left half done.
    """

    deleted: int
    switched: int
    missing: int
    handed_over: int


class ReconcileBroker:
    """Compares accounts with devices and mends the accounts."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock, orphan_age: timedelta = ORPHAN_AGE) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock
        self._orphan_seconds = orphan_age.total_seconds()
        self._orphans_since: dict[str, float] = {}
        self._missing: frozenset[str] = frozenset()

    async def __call__(self) -> Reconciled:
        """Make one pass; raises UnavailableError when the broker or the database is away."""
        handed_over = await self._hand_over()
        accounts = await self._broker.all()
        async with self._work() as unit:
            activity = await unit.devices.activity()
            prefixes = await unit.devices.valid_prefixes(self._clock.now())
        found = compare(accounts, activity, prefixes)
        done = [
            await self._mend(device_id)
            for device_id, repair in sorted(found.repairs.items())
            if self._is_due(device_id, repair)
        ]
        still_orphans = {name for name, repair in found.repairs.items() if repair is Repair.DELETE}
        self._orphans_since = {name: at for name, at in self._orphans_since.items() if name in still_orphans}
        # Twice in a row: a device that was registered between the two lists is not missing.
        missing = found.missing & self._missing
        if missing and found.missing != self._missing:
            _log.warning("broker_accounts_missing", count=len(missing), first=min(missing))
        self._missing = found.missing
        deleted = done.count(Repair.DELETE)
        return Reconciled(deleted, len(done) - done.count(None) - deleted, len(missing), handed_over)

    async def _hand_over(self) -> int:
        """Finish rotations that nobody works on any more; return how many."""
        async with self._work() as unit:
            proposed = await unit.device_keys.all_proposed()
        oldest = self._clock.now() - timedelta(seconds=self._orphan_seconds)
        left = sorted(device_id for device_id, key in proposed.items() if key.proposed_at <= oldest)
        for device_id in left:
            async with self._work() as unit:
                await unit.lock(device_lock(device_id))
                key = await unit.device_keys.proposed(device_id)
                account = await self._broker.find(device_id)
                is_settled = key is not None and account is not None and account.key_prefix == key.prefix
                if is_settled:
                    await unit.device_keys.settle(device_id, self._clock.now())
                elif key is not None and key.proposed_at <= oldest:
                    await withdraw_key(unit, device_id, key.prefix)
            _log.info("key_handover_finished", device_id=device_id, is_settled=is_settled)
        return len(left)

    def _is_due(self, device_id: str, repair: Repair) -> bool:
        if repair is not Repair.DELETE:
            return True
        now = self._clock.monotonic()
        return now - self._orphans_since.setdefault(device_id, now) >= self._orphan_seconds

    async def _mend(self, device_id: str) -> Repair | None:
        async with self._work() as unit:
            await unit.lock(device_lock(device_id))
            device = await unit.devices.get(device_id)
            account = await self._broker.find(device_id)
            repair = None if account is None else repair_for(account, None if device is None else device.is_active)
            if repair is Repair.DELETE:
                await self._broker.delete([device_id])
            elif repair is not None:
                await self._broker.set_enabled(device_id, is_enabled=repair is Repair.ENABLE)
        if repair is not None:
            _log.info("broker_account_mended", device_id=device_id, repair=repair.value)
        return repair
