"""Devices, who sees them and who may do what with them.

Seeing a device is the first right: a device that one may not see does not exist (404). Levels of a share: `read` sees,
`control` also changes what is written on it; its credentials, its life and its shares are the owner's, or those of
somebody who sees every device.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

from pulse_contracts.broker_accounts import SERVICE_ACCOUNT_PREFIX
from pulse_contracts.ids import is_client_id
from pulse_identity.domain.credentials import ApiKey
from pulse_identity.domain.refusal import Refusal, conflict, forbidden, invalid

DEFAULT_KIND: Final = "generic"
_SLUG: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_SLUG_CHARS: Final = 40
_RANDOM_BYTES: Final = 4


class AccessLevel(StrEnum):
    """How far somebody's rights on one device go, weakest first."""

    READ = "read"
    CONTROL = "control"
    OWNER = "owner"
    ALL = "all"
    """Not on this device but on every one (`devices:all`)."""


class ShareLevel(StrEnum):
    """What can be shared."""

    READ = "read"
    CONTROL = "control"


class DeviceAction(StrEnum):
    """What one may want to do with a device that one sees."""

    EDIT = "edit"
    CREDENTIALS = "credentials"
    SWITCH = "switch"
    DELETE = "delete"
    SHARE = "share"
    GIVE_AWAY = "give_away"


_OWNERS: Final = frozenset({AccessLevel.OWNER, AccessLevel.ALL})
_ALLOWED: Final = {
    DeviceAction.EDIT: _OWNERS | {AccessLevel.CONTROL},
    DeviceAction.CREDENTIALS: _OWNERS,
    DeviceAction.SWITCH: _OWNERS,
    DeviceAction.DELETE: _OWNERS,
    DeviceAction.SHARE: _OWNERS,
    DeviceAction.GIVE_AWAY: frozenset({AccessLevel.ALL}),
}


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device; its id is its MQTT client id and its broker account."""

    id: str
    name: str
    kind: str
    owner_id: UUID | None
    is_active: bool
    groups: tuple[str, ...]
    metadata: dict[str, Any] = field(hash=False)
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """What is kept and shown of an API key; valid until `expires_at`, for ever when that is None."""

    prefix: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device as somebody sees it."""

    device: Device
    level: AccessLevel
    owner_name: str | None
    keys: tuple[DeviceKey, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceShare:
    """A device lent to a user or to all who have a role; one of the two is set."""

    id: UUID
    device_id: str
    level: ShareLevel
    created_at: datetime
    user_id: UUID | None = None
    username: str | None = None
    role_id: UUID | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A one-time code: for the device `device_id`, which exists (`is_bound`) or is created by its use."""

    id: UUID
    sha256: bytes
    device_id: str | None
    is_bound: bool
    name: str
    kind: str
    groups: tuple[str, ...]
    owner_id: UUID
    created_by: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to add, with its first key."""

    device: Device
    key: ApiKey


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """The broker account that a device must have."""

    device_id: str
    key: ApiKey
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a device is shared with: a user or a role, by id or by name."""

    kind: Literal["user", "role"]
    name: str


def check_action(level: AccessLevel, action: DeviceAction) -> Refusal | None:
    """Return why somebody with this level on a device may not do this with it."""
    if level in _ALLOWED[action]:
        return None
    return forbidden("device_forbidden", f"your access to this device ({level.value}) does not allow that")


def check_device_id(device_id: str) -> Refusal | None:
    """Return why a device cannot have this id."""
    if not is_client_id(device_id):
        return invalid(
            "bad_device_id", "an id has 1 to 64 of A-Z a-z 0-9 _ . : - and begins with a letter or digit", "id"
        )
    if device_id.casefold().startswith(SERVICE_ACCOUNT_PREFIX):
        return conflict("reserved_device_id", f"ids that begin with {SERVICE_ACCOUNT_PREFIX} are ours", "id")
    return None


def device_id_from(hint: str) -> str:
    """Return a free-standing new id with something to recognise it by (a host name, a device's name)."""
    slug = _SLUG.sub("-", hint).strip("-._")[:_SLUG_CHARS].rstrip("-._")
    if not slug or check_device_id(slug) is not None:
        slug = "device"
    return f"{slug}-{secrets.token_hex(_RANDOM_BYTES)}"
