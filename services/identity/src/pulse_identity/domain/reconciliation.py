"""What the broker's accounts must become to agree with the registered devices.

The registry is right, the broker follows. An account whose key the broker lost cannot be made again (only a digest of
the key is kept); it is reported and comes back with a rotated key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Repair(StrEnum):
    """What to do with one account."""

    DELETE = "delete"
    DISABLE = "disable"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class AccountState:
    """A device's account as the broker has it; `key_prefix` is the public part of the key that it was given."""

    device_id: str
    is_enabled: bool
    key_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Differences:
    """Accounts to mend, and devices that cannot connect: those without an account, or with a key that is not theirs."""

    repairs: dict[str, Repair]
    missing: frozenset[str]


def repair_for(account: AccountState, is_active: bool | None) -> Repair | None:
    """Return what an account needs; `is_active` is the device's state, None when there is no such device."""
    if is_active is None:
        return Repair.DELETE
    if is_active == account.is_enabled:
        return None
    return Repair.ENABLE if is_active else Repair.DISABLE


def compare(
    accounts: Iterable[AccountState], devices: Mapping[str, bool], prefixes: Mapping[str, frozenset[str]]
) -> Differences:
    """Compare the broker's device accounts with the registry (device id → is_active, → prefixes of its valid keys).

    An account with a key that is no device's (put there past this service) lets nobody in: its device is missing.
    """
    repairs: dict[str, Repair] = {}
    seen = set()
    for account in accounts:
        if account.key_prefix is None or account.key_prefix in prefixes.get(account.device_id, frozenset()):
            seen.add(account.device_id)
        repair = repair_for(account, devices.get(account.device_id))
        if repair is not None:
            repairs[account.device_id] = repair
    return Differences(repairs, frozenset(devices.keys() - seen))
