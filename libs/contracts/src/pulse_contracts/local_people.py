"""People, roles and configuration of a desktop, as a window sees and changes them (`local_protocol`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from pulse_contracts.local_status import MAX_PAGE, DeviceInfo, LocalModel, LocalParams
from pulse_contracts.value_specs import ValueSpec

# -- somebody who signed in -------------------------------------------------------------------------------------------


class SignInParams(LocalParams):
    """Name and password of a user of this desktop."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    password: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]


class Session(LocalModel):
    """Who is signed in at this window. Rights are as of now; each method looks again."""

    user_id: str
    username: str
    roles: list[str]
    permissions: list[str]
    lease_until_ms: int
    is_online: Annotated[bool, Field(description="the server is reached; otherwise the lease alone counts")]
    signed_in_ms: int


class WhoAmI(LocalModel):
    """The session of this window; `reason` (event `session` only) is the code of why it ended."""

    session: Session | None = None
    reason: str | None = None
    message: str | None = None


# -- people, roles, config --------------------------------------------------------------------------------------------


class PageParams(LocalParams):
    """A part of a list; `search` is looked for in names, without regard to case."""

    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    search: Annotated[str, Field(max_length=64)] = ""


class Pending(LocalModel):
    """What of a row the server has not confirmed: it is new, is to be deleted, or these fields changed."""

    is_new: bool = False
    is_deleted: bool = False
    fields: list[str] = Field(default_factory=list)


class UserRow(LocalModel):
    """A user; `pending` None: as the server has it. `fields` of it: username, email, is_active, roles, password."""

    id: str
    username: str
    email: str | None
    is_active: bool
    roles: Annotated[list[str], Field(description="ids")]
    version: int
    updated_ms: int | None = None
    updated_by: str | None = None
    pending: Pending | None = None


class Users(LocalModel):
    """A page of users by name."""

    total: int
    rows: list[UserRow]


class RoleRow(LocalModel):
    """A role; `fields` of `pending`: name, description, permissions."""

    id: str
    name: str
    description: str
    is_built_in: bool
    permissions: list[str]
    users: Annotated[int, Field(description="people on this desktop who have it")]
    version: int
    updated_ms: int | None = None
    updated_by: str | None = None
    pending: Pending | None = None


class Roles(LocalModel):
    """A page of roles by name."""

    total: int
    rows: list[RoleRow]


RowId = Annotated[str, Field(min_length=1, max_length=256)]
Ids = Annotated[list[str], Field(max_length=100)]


class RowParams(LocalParams):
    """Which row."""

    id: RowId


class Made(LocalModel):
    """The id of the row that was made."""

    id: str


class UserCreateParams(LocalParams):
    """A new user; roles by id."""

    username: str
    password: Annotated[str, Field(repr=False)]
    email: str | None = None
    roles: Ids = Field(default_factory=list)


class UserEditParams(LocalParams):
    """Another name or e-mail (empty removes it); what is absent stays."""

    id: RowId
    username: str | None = None
    email: str | None = None


class UserActiveParams(LocalParams):
    """Enable or disable."""

    id: RowId
    is_active: bool


class PasswordParams(LocalParams):
    """A new password."""

    id: RowId
    password: Annotated[str, Field(repr=False)]


class UserRolesParams(LocalParams):
    """Roles to give and to take away, by id."""

    id: RowId
    added: Ids = Field(default_factory=list)
    removed: Ids = Field(default_factory=list)


class RoleCreateParams(LocalParams):
    """A new role."""

    name: str
    description: str = ""
    permissions: Annotated[list[str], Field(max_length=200)] = Field(default_factory=list)


class RoleEditParams(LocalParams):
    """Another name or description; what is absent stays."""

    id: RowId
    name: str | None = None
    description: str | None = None


class RolePermissionsParams(LocalParams):
    """Permissions to put in and to take out."""

    id: RowId
    added: Annotated[list[str], Field(max_length=200)] = Field(default_factory=list)
    removed: Annotated[list[str], Field(max_length=200)] = Field(default_factory=list)


class ConfigRow(LocalModel):
    """One entry that concerns this desktop: for all, for a group or for itself. `problem`: why it is not in force."""

    id: str
    scope: Annotated[str, Field(description="`all`, `group`, `device`")]
    target: str
    key: str
    value: Any
    is_winner: Annotated[bool, Field(description="the nearest entry of its key")]
    problem: str | None = None
    version: int
    updated_ms: int | None = None
    updated_by: str | None = None
    pending: Pending | None = None


class ConfigRows(LocalModel):
    """All entries that concern this desktop."""

    rows: list[ConfigRow]


class KeyParams(LocalParams):
    """A configuration key."""

    key: Annotated[str, Field(max_length=96)]


class KeyValueParams(KeyParams):
    """A key and its value, as JSON has it."""

    value: Any


class SettingOrigin(StrEnum):
    """Where the value in force comes from; `local`: an option on this machine, which nobody changes from here."""

    DEFAULT = "default"
    LOCAL = "local"
    ALL = "all"
    GROUP = "group"
    DEVICE = "device"


class Setting(LocalModel):
    """One thing that can be set on this desktop."""

    key: str
    spec: ValueSpec
    value: Any
    origin: SettingOrigin
    is_pending: bool = False
    problem: Annotated[str | None, Field(description="why the entry that wins is not in force")] = None


class Settings(LocalModel):
    """What the agent does, and what of it this session may change (`can_change`)."""

    device: DeviceInfo
    items: list[Setting]
    can_change: bool
