"""Users and roles as they are edited: what is wrong with an entry, what changed, what waits for the server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pulse_contracts.local_people import Pending, RoleRow, Session, UserRow
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone

MIN_PASSWORD_CHARS: Final = 8
_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{1,63}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Mark:
    """Whether a row is as the server has it: shape and words."""

    tone: Tone
    text: str


def pending_mark(pending: Pending | None, texts: Texts) -> Mark:
    """Say what of a row waits for the server."""
    words = texts.administration
    if pending is None:
        return Mark(Tone.OK, words.confirmed)
    if pending.is_new:
        return Mark(Tone.INFO, words.pending_new)
    if pending.is_deleted:
        return Mark(Tone.WARN, words.pending_deleted)
    fields = ", ".join(words.fields.get(name, name) for name in pending.fields)
    return Mark(Tone.INFO, words.pending_changed.format(fields=fields))


@dataclass(frozen=True, slots=True)
class UserDraft:
    """What stands in the form of a user."""

    username: str
    email: str
    password: str
    roles: frozenset[str]

    def problems(self, texts: Texts, *, is_new: bool) -> dict[str, str]:
        """Return what is wrong, by field; the agent and the server look again."""
        words = texts.administration
        found = {}
        if _USERNAME.fullmatch(self.username) is None:
            found["username"] = words.bad_username
        if self.email and _EMAIL.fullmatch(self.email) is None:
            found["email"] = words.bad_email
        if (is_new or self.password) and len(self.password) < MIN_PASSWORD_CHARS:
            found["password"] = words.bad_password
        elif self.password and self.password.casefold() == self.username.casefold():
            found["password"] = words.password_is_name
        return found


@dataclass(frozen=True, slots=True)
class RoleDraft:
    """What stands in the form of a role."""

    name: str
    description: str
    permissions: frozenset[str]

    def problems(self, texts: Texts) -> dict[str, str]:
        """Return what is wrong, by field."""
        return {} if _ROLE.fullmatch(self.name) else {"name": texts.administration.bad_role}


def changes(before: Iterable[str], after: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return what is put in and what is taken out, sorted."""
    had, has = set(before), set(after)
    return sorted(has - had), sorted(had - has)


def lacking(permissions: Iterable[str], session: Session | None) -> list[str]:
    """Return what of these rights the person does not have and so cannot give."""
    own = set(session.permissions) if session is not None else set()
    return sorted(set(permissions) - own)


def role_names(user: UserRow, roles: Mapping[str, RoleRow]) -> str:
    """Return the names of somebody's roles."""
    return ", ".join(sorted(roles[role].name if role in roles else role for role in user.roles))
