"""The shapes of requests and answers about people and sessions. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from pulse_identity.domain.fields import PLAIN_TEXT, Email, Username
from pulse_identity.domain.passwords import MIN_CHARS
from pulse_identity.domain.people import Role, User
from pulse_identity.use_cases.change_user import UserChange
from pulse_identity.use_cases.create_user import NewUser
from pulse_identity.use_cases.sign_in import SignedIn

RoleName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PLAIN_TEXT)]
Password = Annotated[str, StringConstraints(max_length=1024)]
# Said in the document only: what is too short is refused by the rule that also knows the common ones.
NewPassword = Annotated[Password, WithJsonSchema({"type": "string", "minLength": MIN_CHARS, "maxLength": 1024})]
MAX_ROLES = 32


def shown(*bodies: dict[str, Any]) -> ConfigDict:
    """Return a body's configuration with examples of it, which the documentation shows and the fuzzer sends."""
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


class Body(BaseModel):
    """A request's body: an unknown field is a mistake that must not go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class LoginBody(Body):
    """Signing in."""

    model_config = shown({"username": "anna", "password": "seven lanterns by the harbour"})

    username: Annotated[str, Field(max_length=254, pattern=PLAIN_TEXT)]
    password: Annotated[Password, Field(repr=False)]
    use_cookie: Annotated[
        bool, Field(description="browsers: the refresh token comes as the HttpOnly cookie `pulse_refresh` instead")
    ] = False


class RefreshBody(Body):
    """The refresh token; left out, the cookie is used."""

    model_config = shown({"refresh_token": "the-one-of-the-last-answer"})

    refresh_token: Annotated[str | None, Field(max_length=256, repr=False)] = None


class Me(Answer):
    """The signed-in user."""

    id: UUID
    username: str
    roles: list[str]
    permissions: list[str]


class TokenAnswer(Answer):
    """A session's newest tokens."""

    access_token: Annotated[str, Field(repr=False)]
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the kind of a token
    expires_in: Annotated[int, Field(description="seconds")]
    refresh_token: Annotated[str | None, Field(repr=False, description="null when it is in the cookie")]
    refresh_expires_at: datetime
    user: Me

    @classmethod
    def of(cls, signed_in: SignedIn, *, in_cookie: bool) -> TokenAnswer:
        """Return the answer for a session."""
        user = signed_in.user
        return cls(
            access_token=signed_in.access.token,
            expires_in=signed_in.access.expires_in,
            refresh_token=None if in_cookie else signed_in.refresh_token,
            refresh_expires_at=signed_in.refresh_expires_at,
            user=Me(
                id=user.id,
                username=user.username,
                roles=list(user.roles),
                permissions=sorted(user.permissions),
            ),
        )


class JsonWebKey(Answer):
    """A public key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class JsonWebKeySet(Answer):
    """The keys that access tokens are verified with."""

    keys: list[JsonWebKey]


class UserAnswer(Answer):
    """A user's account."""

    id: UUID
    username: str
    email: str | None
    is_active: bool
    roles: list[str]
    permissions: list[str]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        """Return the answer for a user."""
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            is_active=user.is_active,
            roles=list(user.roles),
            permissions=sorted(user.permissions),
            version=user.version,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


class ProfileAnswer(UserAnswer):
    """One's own account."""

    session_id: UUID


class UserPage(Answer):
    """A page of users; `total` counts all that match."""

    items: list[UserAnswer]
    total: int
    page: int
    limit: int


class CreateUserBody(Body):
    """A new user."""

    model_config = shown(
        {"username": "anna", "password": "seven lanterns by the harbour", "roles": ["operator"]},
        {
            "username": "ben",
            "password": "eight lanterns by the harbour",
            "email": "ben@example.com",
            "is_active": False,
        },
    )

    username: Username
    password: Annotated[NewPassword, Field(repr=False)]
    email: Email | None = None
    roles: Annotated[list[RoleName], Field(max_length=MAX_ROLES)] = []
    is_active: bool = True

    def wish(self) -> NewUser:
        """Return what is wanted."""
        return NewUser(self.username, self.password, self.email, tuple(self.roles), self.is_active)


class ChangeUserBody(Body):
    """What shall be different; a field that is left out, or null, stays."""

    model_config = shown({"email": "anna@example.com"}, {"roles": ["viewer"], "is_active": True})

    username: Username | None = None
    email: Annotated[Email | Literal[""] | None, Field(description="empty removes it")] = None
    roles: Annotated[list[RoleName] | None, Field(max_length=MAX_ROLES)] = None
    is_active: bool | None = None
    password: Annotated[NewPassword | None, Field(repr=False, description="ends all sessions of the user")] = None

    def change(self) -> UserChange:
        """Return what shall be different."""
        return UserChange(
            username=self.username,
            email=self.email,
            roles=None if self.roles is None else tuple(self.roles),
            is_active=self.is_active,
            password=self.password,
        )


class RoleAnswer(Answer):
    """A role."""

    id: UUID
    name: str
    description: str
    is_built_in: bool
    permissions: list[str]
    version: int

    @classmethod
    def of(cls, role: Role) -> RoleAnswer:
        """Return the answer for a role."""
        return cls(
            id=role.id,
            name=role.name,
            description=role.description,
            is_built_in=role.is_built_in,
            permissions=sorted(role.permissions),
            version=role.version,
        )


class RolePage(Answer):
    """A page of roles; `total` counts all that match."""

    items: list[RoleAnswer]
    total: int
    page: int
    limit: int


class PermissionAnswer(Answer):
    """Something that a role can allow."""

    name: str
    description: str


class PermissionList(Answer):
    """Everything that a role can allow."""

    items: list[PermissionAnswer]
