"""What the fields of people and roles may hold: the same for the web's forms and for desktops' edits."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, WithJsonSchema

from pulse_contracts.operations import RoleFields, UserFields
from pulse_contracts.permissions import Permission
from pulse_identity.domain.people import USERNAME_PATTERN

# No control characters, no line breaks: names end up in logs, tables and terminals.
PLAIN_TEXT: Final = r"^[^\x00-\x1f\x7f]*$"
Username = Annotated[str, StringConstraints(pattern=USERNAME_PATTERN)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}$")]
# A name that has to be typed into filters and mappings: no space around it, nothing that a list separates by.
RoleTitle = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}[A-Za-z0-9]$")]
RoleText = Annotated[str, StringConstraints(max_length=256, pattern=PLAIN_TEXT)]
# A document names them; an unknown one is refused where rights are given, with a code of its own.
PermissionName = Annotated[
    str,
    StringConstraints(max_length=64, pattern=PLAIN_TEXT),
    WithJsonSchema({"type": "string", "enum": sorted(Permission)}),
]
Permissions = Annotated[list[PermissionName], Field(max_length=len(Permission))]


class UserEdit(UserFields):
    """A user's fields as they may be; an empty e-mail removes it."""

    username: Username | None = None
    email: Email | Literal[""] | None = None


class RoleEdit(RoleFields):
    """A role's fields as they may be."""

    name: RoleTitle | None = None
    description: RoleText | None = None
    permissions_added: Permissions = Field(default_factory=list)
    permissions_removed: Permissions = Field(default_factory=list)
