"""What a user may see: permissions and devices as they are now, not as a token once said.

One `Scope` exists for each connected user and is shared by all of the user's sockets, so that a change of rights
reaches all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pulse_contracts.permissions import Permission

EVERYBODY: Final = "*"
"""The key of the scope that sees all devices: whoever has it shares the same frames."""


@dataclass(frozen=True, slots=True)
class Rights:
    """A user's standing, as identity publishes it."""

    username: str
    is_active: bool
    roles: tuple[str, ...]
    permissions: frozenset[str]


@dataclass(slots=True)
class Scope:
    """A user's rights and the devices owned by or shared with them."""

    user_id: UUID
    rights: Rights
    devices: frozenset[str]

    @property
    def sees_all(self) -> bool:
        """Whether every device is visible, whoever owns it."""
        return Permission.DEVICES_ALL in self.rights.permissions

    @property
    def visible(self) -> frozenset[str] | None:
        """The visible devices; None means all."""
        return None if self.sees_all else self.devices

    @property
    def key(self) -> str:
        """What tells scopes apart when frames are shared."""
        return EVERYBODY if self.sees_all else str(self.user_id)

    def allows(self, permission: str) -> bool:
        """Tell whether the user has a permission now."""
        return self.rights.is_active and permission in self.rights.permissions

    def sees(self, device_id: str) -> bool:
        """Tell whether a device is visible. An absent one and a foreign one are the same here."""
        return self.sees_all or device_id in self.devices
