"""Changing the key of a device that exists, in the database and on the broker, which cannot commit together.

The new key is committed first, beside the old one (a proposed key), then put to the broker, and only then do the old ones
end. Whatever breaks on the way, the key that the broker has is valid here, and the caller is given the new key if, and
only if, the broker has it:
- before the broker took it: the proposal is withdrawn, the old key stays good everywhere, the caller gets an error;
- after: the caller gets the key, and the reconciler ends the old ones.
A process that dies in the middle leaves the proposal to the reconciler; if that was after the broker took the key and
before the answer was sent, the caller repeats the request, as after any answer that did not come.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, PulseError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_identity.domain.credentials import ApiKey
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.use_cases.ports import BrokerAccounts, UnitOfWork, Work
from pulse_identity.use_cases.register_devices import device_lock
from pulse_identity.use_cases.tell_audit import ITSELF, device_resource, tell_audit

_ASK_TIMES: Final = 10
_ASK_AGAIN_SECONDS: Final = 0.5
"""A broker that restarts is back within these five seconds, and then says whether it has the key."""
_log = get_logger("devices")


class HandOverKey:
    """Hands a device's new key over to the broker: `propose` in the transaction that decides, then call it."""

    def __init__(self, work: Work, broker: BrokerAccounts, clock: Clock) -> None:
        self._work = work
        self._broker = broker
        self._clock = clock

    async def propose(self, unit: UnitOfWork, device_id: str, key: ApiKey, others_end_at: datetime) -> None:
        """Note the new key of a device that is locked; raises UnavailableError while the broker is away."""
        await unit.device_keys.propose(device_id, key, self._clock.now(), others_end_at)
        await self._broker.find(device_id)

    async def __call__(self, device_id: str, key: ApiKey) -> None:
        """Return when the broker has the key; when this raises, it does not, and the old key is good everywhere."""
        try:
            await self._put(device_id, key)
        except PulseError:
            if not await self._is_on_broker(device_id, key):
                await self._withdraw(device_id, key)
                raise
            _log.warning("key_handover_left_to_reconciler", device_id=device_id)

    async def _put(self, device_id: str, key: ApiKey) -> None:
        async with self._work() as unit:
            await unit.lock(device_lock(device_id))
            device = await unit.devices.get(device_id)
            proposed = await unit.device_keys.proposed(device_id)
            if device is None or proposed is None or proposed.prefix != key.prefix:
                message = "the device was deleted, or its key changed once more, at this very moment"
                raise ConflictError(message, code="key_changed_meanwhile")
            await self._broker.put([DeviceAccount(device_id, key, is_enabled=device.is_active)])
            await unit.device_keys.settle(device_id, self._clock.now())

    async def _is_on_broker(self, device_id: str, key: ApiKey) -> bool:
        for _ in range(_ASK_TIMES):
            try:
                account = await self._broker.find(device_id)
            except UnavailableError:
                await self._clock.sleep(_ASK_AGAIN_SECONDS)
            else:
                return account is not None and account.key_prefix == key.prefix
        # Which key it has is the reconciler's to find out when it is back.
        message = "the broker went away while the key was changed; ask for a new key once more"
        raise UnavailableError(message, code="broker_unavailable", retry_after=5.0)

    async def _withdraw(self, device_id: str, key: ApiKey) -> None:
        async with self._work() as unit:
            await unit.lock(device_lock(device_id))
            proposed = await unit.device_keys.proposed(device_id)
            if proposed is not None and proposed.prefix == key.prefix:
                await withdraw_key(unit, device_id, key.prefix)


async def withdraw_key(unit: UnitOfWork, device_id: str, prefix: str) -> None:
    """Take back a proposed key that the broker does not have, and tell the audit log."""
    await unit.device_keys.withdraw(device_id)
    await tell_audit(unit, "device.key_withdrawn", device_resource(device_id), by=ITSELF, after={"prefix": prefix})
