"""The shapes of requests and answers about devices. A field may be added; nothing else changes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pulse_contracts.frames import LivePosition
from pulse_contracts.ids import ClientIdField
from pulse_identity.domain.credentials import ApiKey
from pulse_identity.domain.desktops import DESKTOP_KIND, WORKSTATION_KIND
from pulse_identity.domain.devices import (
    DEFAULT_KIND,
    AccessLevel,
    DeviceKey,
    DeviceShare,
    DeviceView,
    EnrolmentCode,
    Grantee,
    NewDevice,
    ShareLevel,
)
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.http.schemas import Answer, Body, shown
from pulse_identity.use_cases.change_device import DeviceChange
from pulse_identity.use_cases.issue_enrolment_code import LONGEST_LIFETIME, CodeWish
from pulse_identity.use_cases.register_devices import DeviceWish

MAX_METADATA_BYTES = 8 * 1024
MAX_BATCH = 500
MAX_METADATA_DEPTH = 8
MAX_GROUPS = 32
LONGEST_OVERLAP = timedelta(days=7)


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    _check_value(metadata, MAX_METADATA_DEPTH)
    if len(json.dumps(metadata, allow_nan=False)) > MAX_METADATA_BYTES:
        message = f"metadata is larger than {MAX_METADATA_BYTES} bytes"
        raise ValueError(message)
    return metadata


def _check_value(value: Any, depth: int) -> None:
    if depth < 0:
        message = f"metadata is nested deeper than {MAX_METADATA_DEPTH}"
        raise ValueError(message)
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_text(name)
            _check_value(part, depth - 1)
    elif isinstance(value, list):
        for part in value:
            _check_value(part, depth - 1)


def _check_text(text: str) -> None:
    try:
        is_storable = b"\0" not in text.encode()
    except UnicodeEncodeError:
        is_storable = False
    if not is_storable:
        message = "metadata holds a character that cannot be stored"
        raise ValueError(message)


def _unique(groups: list[str]) -> list[str]:
    return list(dict.fromkeys(groups))


DeviceName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=PLAIN_TEXT)]
Kind = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"),
    Field(
        description=f"free, but `{DESKTOP_KIND}`: a desktop, and `{WORKSTATION_KIND}`: one that may edit people and"
        " roles; to make one of these, or a code for it, needs users:write"
    ),
]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PLAIN_TEXT)]
Groups = Annotated[list[GroupName], Field(max_length=MAX_GROUPS), AfterValidator(_unique)]
Metadata = Annotated[dict[str, Any], AfterValidator(_storable)]


class RegisterBody(Body):
    """A new device; the id is its MQTT client id and user name, and made up when left out."""

    model_config = shown(
        {"name": "Pump 3", "kind": "esp32", "groups": ["hall-2"], "metadata": {"site": "Oslo", "floor": 3}},
        {"id": "PUMP-7"},
    )

    id: ClientIdField | None = None
    name: DeviceName | None = None
    kind: Kind = DEFAULT_KIND
    groups: Groups = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    owner_id: Annotated[UUID | None, Field(description="oneself when left out; others need devices:all")] = None

    def wish(self) -> DeviceWish:
        """Return what is wanted."""
        return DeviceWish(self.id, self.name, self.kind, tuple(self.groups), self.metadata, self.owner_id)


class BatchBody(Body):
    """New devices: all of them, or none."""

    model_config = shown({"devices": [{"name": "Pump 3", "groups": ["hall-2"]}, {"name": "Pump 4"}]})

    devices: Annotated[list[RegisterBody], Field(min_length=1, max_length=MAX_BATCH)]


class ChangeDeviceBody(Body):
    """What shall be different; a field that is left out, or null, stays."""

    model_config = shown({"name": "Pump 3 (spare)", "groups": ["store"]})

    name: DeviceName | None = None
    kind: Kind | None = None
    groups: Groups | None = None
    metadata: Metadata | None = None
    owner_id: Annotated[UUID | None, Field(description="needs devices:all")] = None

    def change(self) -> DeviceChange:
        """Return what shall be different."""
        groups = None if self.groups is None else tuple(self.groups)
        return DeviceChange(self.name, self.kind, groups, self.metadata, self.owner_id)


class RotateBody(Body):
    """How long the old key stays good over HTTP; on the broker it ends at once."""

    model_config = shown({"overlap_seconds": 300})

    overlap_seconds: Annotated[int, Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds()))] = 0

    @property
    def overlap(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.overlap_seconds)


class ShareBody(Body):
    """With whom to share: one user or one role, by name."""

    model_config = shown({"role": "viewer", "level": "read"}, {"user": "anna", "level": "control"})

    user: Annotated[str | None, Field(min_length=1, max_length=64, pattern=PLAIN_TEXT)] = None
    role: Annotated[str | None, Field(min_length=1, max_length=64, pattern=PLAIN_TEXT)] = None
    level: ShareLevel = ShareLevel.READ

    @model_validator(mode="after")
    def _names_one(self) -> ShareBody:
        if (self.user is None) == (self.role is None):
            message = "give either a user or a role"
            raise ValueError(message)
        return self

    @property
    def grantee(self) -> Grantee:
        """The user or the role."""
        return Grantee("role", self.role or "") if self.user is None else Grantee("user", self.user)


class CodeBody(Body):
    """What a new enrolment code is for: the device `id` if it exists, else a new one (id made up if left out)."""

    model_config = shown({"name": "Pump 9", "groups": ["hall-2"], "expires_in": 3600})

    id: ClientIdField | None = None
    name: Annotated[str | None, Field(max_length=128, pattern=PLAIN_TEXT)] = None
    kind: Kind = DEFAULT_KIND
    groups: Groups = Field(default_factory=list)
    expires_in: Annotated[int, Field(ge=60, le=int(LONGEST_LIFETIME.total_seconds()), description="seconds")] = 900

    def wish(self) -> CodeWish:
        """Return what is wanted."""
        return CodeWish(self.id, self.name or "", self.kind, tuple(self.groups), timedelta(seconds=self.expires_in))


class KeyAnswer(Answer):
    """What is shown of an API key."""

    prefix: str
    created_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, key: DeviceKey) -> KeyAnswer:
        """Return the answer for a key."""
        return cls(prefix=key.prefix, created_at=key.created_at, expires_at=key.expires_at)


class DeviceAnswer(Answer):
    """A device as the caller sees it."""

    id: str
    name: str
    kind: str
    owner_id: UUID | None
    owner_name: str | None
    is_active: bool
    groups: list[str]
    metadata: dict[str, Any]
    access: Annotated[AccessLevel, Field(description="how far the caller's rights on this device go")]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: DeviceView) -> DeviceAnswer:
        """Return the answer for a device."""
        return cls(**_fields(view))


class DeviceDetail(DeviceAnswer):
    """A device with its keys."""

    keys: list[KeyAnswer]

    @classmethod
    def of(cls, view: DeviceView) -> DeviceDetail:
        """Return the answer for a device."""
        return cls(**_fields(view), keys=[KeyAnswer.of(key) for key in view.keys])


class RegisteredDevice(Answer):
    """A new device and its API key, which is shown here and never again."""

    id: str
    name: str
    kind: str
    owner_id: UUID | None
    is_active: bool
    groups: list[str]
    metadata: dict[str, Any]
    version: int
    created_at: datetime
    api_key: Annotated[str, Field(repr=False)]
    key_prefix: str

    @classmethod
    def of(cls, new: NewDevice) -> RegisteredDevice:
        """Return the answer for a new device."""
        device = new.device
        return cls(
            id=device.id,
            name=device.name,
            kind=device.kind,
            owner_id=device.owner_id,
            is_active=device.is_active,
            groups=list(device.groups),
            metadata=device.metadata,
            version=device.version,
            created_at=device.created_at,
            api_key=new.key.text,
            key_prefix=new.key.prefix,
        )


class RegisteredDevices(Answer):
    """New devices, in the order of the request."""

    devices: list[RegisteredDevice]


class RotatedKey(Answer):
    """A device's new API key, which is shown here and never again."""

    id: str
    api_key: Annotated[str, Field(repr=False)]
    key_prefix: str

    @classmethod
    def of(cls, device_id: str, key: ApiKey) -> RotatedKey:
        """Return the answer for a key."""
        return cls(id=device_id, api_key=key.text, key_prefix=key.prefix)


class DevicePage(Answer):
    """A page of devices; `total` counts all that match and are in scope, `next_cursor` is null on the last page."""

    items: list[DeviceAnswer]
    total: int
    page: int | None
    limit: int
    next_cursor: str | None
    live: Annotated[LivePosition | None, Field(description="where to subscribe from; null while live is down")]


class ShareAnswer(Answer):
    """A share of a device."""

    id: UUID
    user_id: UUID | None
    user: str | None
    role_id: UUID | None
    role: str | None
    level: ShareLevel
    created_at: datetime

    @classmethod
    def of(cls, share: DeviceShare) -> ShareAnswer:
        """Return the answer for a share."""
        return cls(
            id=share.id,
            user_id=share.user_id,
            user=share.username,
            role_id=share.role_id,
            role=share.role,
            level=share.level,
            created_at=share.created_at,
        )


class ShareList(Answer):
    """All shares of a device."""

    items: list[ShareAnswer]


class CodeAnswer(Answer):
    """An enrolment code, which is shown here and never again."""

    code: Annotated[str, Field(repr=False)]
    expires_at: datetime
    id: Annotated[str | None, Field(description="the device it is for; null when its use makes an id up")]
    is_new_device: Annotated[bool, Field(description="whether its use creates the device")]

    @classmethod
    def of(cls, text: str, code: EnrolmentCode) -> CodeAnswer:
        """Return the answer for a code."""
        return cls(code=text, expires_at=code.expires_at, id=code.device_id, is_new_device=not code.is_bound)


def _fields(view: DeviceView) -> dict[str, Any]:
    device = view.device
    return {
        "id": device.id,
        "name": device.name,
        "kind": device.kind,
        "owner_id": device.owner_id,
        "owner_name": view.owner_name,
        "is_active": device.is_active,
        "groups": list(device.groups),
        "metadata": device.metadata,
        "access": view.level,
        "version": device.version,
        "created_at": device.created_at,
        "updated_at": device.updated_at,
    }
