"""An edit made on a desktop, on its way up: signed by the desktop, applied once by the service that owns the row.

An operation travels as a compact JWS (ES256, `typ` `OPERATION_TYPE`) under the key that the desktop enrolled with. Its
`fields` are a mask: what is absent does not change. `base_version` 0 creates; `deleted: true` deletes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from pulse_contracts.ids import ClientIdField
from pulse_contracts.stamps import StampField

OPERATION_TYPE: Final = "pulse-operation+jws"
MAX_OPERATIONS: Final = 100
"""Operations of one push."""
MAX_OPERATION_BYTES: Final = 16 * 1024


class EditableEntity(StrEnum):
    """What a desktop may edit: users and roles only a workstation, config every desktop for itself."""

    USERS = "users"
    ROLES = "roles"
    CONFIG = "config"


class _Fields(BaseModel):
    # Built at its first use: a process holds only what it speaks of, an agent 0.6 MB less.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    deleted: Literal[True] | None = None


class UserFields(_Fields):
    """A user's fields; roles by id, as what to give and what to take away."""

    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    is_active: StrictBool | None = None
    password: Annotated[
        str | None, Field(max_length=4096, description="sealed to identity's password key, base 64 (libsodium)")
    ] = None
    roles_added: Annotated[list[UUID], Field(max_length=100)] = []
    roles_removed: Annotated[list[UUID], Field(max_length=100)] = []


class RoleFields(_Fields):
    """A role's fields."""

    name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    description: Annotated[str, Field(max_length=500)] | None = None
    permissions_added: Annotated[list[str], Field(max_length=200)] = []
    permissions_removed: Annotated[list[str], Field(max_length=200)] = []


class ConfigFields(_Fields):
    """A config entry's value; which entry, its id says (`pulse_contracts.configuration.config_id`)."""

    value: Any = None


class Operation(BaseModel):
    """One edit, coalesced: several edits of a row while offline are one step of its version."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    op_id: UUID
    desktop_id: ClientIdField
    op_no: Annotated[int, Field(ge=1, le=2**53, description="1, 2, 3 … on this desktop, in the order of applying")]
    entity: EditableEntity
    id: Annotated[str, Field(min_length=1, max_length=256)]
    base_version: Annotated[int, Field(ge=0, description="the version that was edited; 0: a new row")]
    fields: dict[str, Any] = Field(description="UserFields, RoleFields or ConfigFields; only what changes")
    updated_at: StampField
    actor: Annotated[UUID, Field(description="who edited; what they may do is checked again, as of now")]


class OutcomeKind(StrEnum):
    """How an operation ended. Each of them empties the desktop's queue of it."""

    APPLIED = "applied"
    CONFLICT_LOST = "conflict_lost"
    REJECTED = "rejected"


class SyncedRow(BaseModel):
    """A row as desktops keep it. Secrets are never among its fields.

    On a page a deleted row of version 0 has left the scope of the desktop: it goes, whatever version is held.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    entity: Literal["permissions", "roles", "users", "config"]
    id: str
    version: int
    updated_at: StampField
    updated_by: Annotated[str | None, Field(description="user id, device id or service name")] = None
    source: Literal["web", "desktop"] = "web"
    deleted: bool = False
    fields: dict[str, Any] = Field(
        default={},
        description="permissions: description; roles: name, description, is_built_in, permissions (names); users:"
        " username, email, is_active, roles (ids); config: value",
    )


class ConflictReport(BaseModel):
    """Both sides of a conflict, whole, as its owner saw them: what sync keeps in `sync_conflict`."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    winner: Literal["desktop", "server"]
    desktop_fields: Annotated[dict[str, Any], Field(description="the operation's mask, a password only as true")]
    desktop_stamp: StampField
    server_fields: Annotated[dict[str, Any], Field(description="the row before")]
    server_stamp: StampField
    server_updated_by: str | None = None
    applied: Annotated[list[str], Field(description="keys of the operation that were applied all the same")] = []


class OperationOutcome(BaseModel):
    """What became of one operation, with the row as it is now (None: there is none)."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    op_id: UUID
    op_no: int
    outcome: OutcomeKind
    code: Annotated[
        str | None, Field(description="of a rejection: `username_taken`, `forbidden`, `bad_signature` …")
    ] = None
    detail: str | None = None
    row: SyncedRow | None = None
    conflict: Annotated[
        ConflictReport | None, Field(description="for desktops only together with the row: while it is in their scope")
    ] = None
    conflict_id: UUID | None = None
