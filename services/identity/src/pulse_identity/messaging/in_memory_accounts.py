"""A broker's accounts in a dictionary, for tests of what needs a `BrokerAccounts` but no broker.

It behaves as the real one in all that the port promises; one suite runs over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pulse_chassis.errors import ConflictError, UnavailableError
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.domain.reconciliation import AccountState


@dataclass
class InMemoryAccounts:
    """A `BrokerAccounts`; `is_down` makes every call fail, `foreign` are accounts that are no device's."""

    accounts: dict[str, AccountState] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    is_down: bool = False

    async def put(self, accounts: Sequence[DeviceAccount]) -> None:
        """Create accounts, or give existing ones the new key."""
        self._answer()
        if any(account.device_id in self.foreign for account in accounts):
            message = "this id belongs to an account of the broker that is not a device's"
            raise ConflictError(message, code="reserved_device_id", field="id")
        for account in accounts:
            state = AccountState(account.device_id, account.is_enabled, account.key.prefix)
            self.accounts[account.device_id] = state
            self.keys[account.device_id] = account.key.text

    async def set_enabled(self, device_id: str, *, is_enabled: bool) -> bool:
        """Enable or disable an account; False when there is no such account."""
        self._answer()
        held = self.accounts.get(device_id)
        if held is None:
            return False
        self.accounts[device_id] = AccountState(device_id, is_enabled, held.key_prefix)
        return True

    async def delete(self, device_ids: Sequence[str]) -> None:
        """Delete accounts."""
        self._answer()
        for device_id in device_ids:
            self.accounts.pop(device_id, None)
            self.keys.pop(device_id, None)

    async def find(self, device_id: str) -> AccountState | None:
        """Return one device's account."""
        self._answer()
        return self.accounts.get(device_id)

    async def all(self) -> list[AccountState]:
        """Return all devices' accounts."""
        self._answer()
        return list(self.accounts.values())

    def _answer(self) -> None:
        if self.is_down:
            message = "the broker's accounts cannot be changed at this moment"
            raise UnavailableError(message, code="broker_unavailable", retry_after=2.0)
