"""The shapes of requests and answers about oneself, sessions and roles. A field may be added; nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from pulse_identity.domain.fields import Email, Permissions, RoleText, RoleTitle, Username
from pulse_identity.domain.sessions import SessionView
from pulse_identity.http.schemas import Answer, Body, NewPassword, Password, shown
from pulse_identity.use_cases.edit_roles import RoleChange


class ProfileBody(Body):
    """What one says of oneself."""

    model_config = shown({"email": "anna@example.com"}, {"username": "anna.b", "email": None})

    username: Annotated[Username | None, Field(description="left out, it stays")] = None
    email: Annotated[Email | None, Field(description="null removes it")]


class PasswordBody(Body):
    """A new password."""

    model_config = shown(
        {"current_password": "seven lanterns by the harbour", "new_password": "nine lanterns by the harbour"}
    )

    current_password: Annotated[Password, Field(repr=False)]
    new_password: Annotated[NewPassword, Field(repr=False)]


class RegistrationBody(Body):
    """An account for oneself."""

    model_config = shown({"username": "anna", "password": "seven lanterns by the harbour"})

    username: Username
    password: Annotated[NewPassword, Field(repr=False)]
    email: Email | None = None


class MethodsAnswer(Answer):
    """How somebody may sign in here."""

    password: bool = True
    registration: bool
    oidc: Annotated[str | None, Field(description="name of the other provider; its door is /api/auth/oidc/login")]


class SessionAnswer(Answer):
    """An open session."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class SessionList(Answer):
    """Open sessions, the one used last first."""

    items: list[SessionAnswer]

    @classmethod
    def of(cls, views: Sequence[SessionView], current: UUID) -> SessionList:
        """Return the answer for some sessions, one of which may be the asking one."""
        return cls(
            items=[
                SessionAnswer(
                    id=view.session.id,
                    address=view.address,
                    user_agent=view.user_agent,
                    created_at=view.session.created_at,
                    last_used_at=view.last_used_at,
                    expires_at=view.session.expires_at,
                    is_current=view.session.id == current,
                )
                for view in views
            ]
        )


class CreateRoleBody(Body):
    """A new role."""

    model_config = shown(
        {"name": "Night shift", "description": "Watches the halls", "permissions": ["devices:read", "telemetry:read"]}
    )

    name: RoleTitle
    description: RoleText = ""
    permissions: Permissions = Field(default_factory=list)

    def wish(self) -> RoleChange:
        """Return what is wanted."""
        return RoleChange(self.name, self.description, frozenset(self.permissions))


class ChangeRoleBody(Body):
    """What shall be different; a field that is left out, or null, stays."""

    model_config = shown({"description": "Watches the halls at night"})

    name: RoleTitle | None = None
    description: RoleText | None = None
    permissions: Permissions | None = None

    def change(self) -> RoleChange:
        """Return what shall be different."""
        permissions = None if self.permissions is None else frozenset(self.permissions)
        return RoleChange(self.name, self.description, permissions)
