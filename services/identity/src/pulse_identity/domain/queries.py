"""What part of a list somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: after `cursor` (the last id of the page before) or from `offset`."""

    limit: int
    offset: int = 0
    cursor: str | None = None


class DeviceSort(StrEnum):
    """In which order devices are listed; a minus turns it around. Equals follow by id."""

    ID = "id"
    NAME = "name"
    NAME_DOWN = "-name"
    KIND = "kind"
    KIND_DOWN = "-kind"
    CREATED = "created_at"
    CREATED_DOWN = "-created_at"
    UPDATED = "updated_at"
    UPDATED_DOWN = "-updated_at"


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which of the devices in scope."""

    search: str | None = None
    group: str | None = None
    kind: str | None = None
    is_active: bool | None = None
    owner_id: UUID | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    """Names and the values, as text, that they must have."""
    sort: DeviceSort = DeviceSort.ID


class UserSort(StrEnum):
    """In which order users are listed; a minus turns it around. Equals follow by name."""

    USERNAME = "username"
    USERNAME_DOWN = "-username"
    EMAIL = "email"
    EMAIL_DOWN = "-email"
    CREATED = "created_at"
    CREATED_DOWN = "-created_at"
    UPDATED = "updated_at"
    UPDATED_DOWN = "-updated_at"


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which of the users, and in which order."""

    search: str | None = None
    role: str | None = None
    is_active: bool | None = None
    sort: UserSort = UserSort.USERNAME


class RoleSort(StrEnum):
    """In which order roles are listed; a minus turns it around. Equals follow by name."""

    NAME = "name"
    NAME_DOWN = "-name"
    CREATED = "created_at"
    CREATED_DOWN = "-created_at"
    UPDATED = "updated_at"
    UPDATED_DOWN = "-updated_at"


@dataclass(frozen=True, slots=True)
class RoleFilter:
    """Which of the roles, and in which order."""

    search: str | None = None
    permission: str | None = None
    is_built_in: bool | None = None
    sort: RoleSort = RoleSort.NAME
