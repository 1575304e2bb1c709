"""What the rotation of a device's key needs of storage.

A proposed key is one that the broker has not been seen to have. It is valid already, beside the old ones, for the one
who was given it; once the broker has it, it is settled and the old ones end, and if the broker never got it, withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pulse_identity.domain.credentials import ApiKey


@dataclass(frozen=True, slots=True)
class ProposedKey:
    """A device's proposed key: its public prefix and when it was made."""

    prefix: str
    proposed_at: datetime


class DeviceKeyStore(Protocol):
    """Proposed keys of devices; at most one for each."""

    async def propose(self, device_id: str, key: ApiKey, now: datetime, others_end_at: datetime) -> None:
        """Add a proposed key in place of one proposed before; once settled, the others end at `others_end_at`."""
        ...

    async def proposed(self, device_id: str) -> ProposedKey | None:
        """Return a device's proposed key."""
        ...

    async def all_proposed(self) -> dict[str, ProposedKey]:
        """Return every proposed key, by device."""
        ...

    async def settle(self, device_id: str, now: datetime) -> None:
        """Make the proposed key the device's key: the others end when that was said, those that ended go."""
        ...

    async def withdraw(self, device_id: str) -> None:
        """Delete the proposed key."""
        ...
