"""People whom another sign-in provider vouches for, and what that is worth here.

Somebody is recognised by issuer and subject, never by name or e-mail address: those can be given to another person
there, and must not open an account here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulse_identity.domain.people import USERNAME_PATTERN

_STRANGE: Final = re.compile(r"[^A-Za-z0-9_.@+-]+")
_MOST_CHARS: Final = 48
"""Leaves room for what makes a taken name unique."""


@dataclass(frozen=True, slots=True)
class ExternalPerson:
    """What the provider says, verified; `email` only when it says that the address was verified."""

    issuer: str
    subject: str
    username: str | None
    email: str | None
    groups: frozenset[str]


def mapped_roles(person: ExternalPerson, mapping: Mapping[str, str]) -> tuple[str, ...]:
    """Return the roles that the person's groups stand for."""
    return tuple(sorted({role for group, role in mapping.items() if group in person.groups}))


def username_for(person: ExternalPerson) -> str:
    """Return the username that a new account should have."""
    for hint in (person.username, person.email):
        name = _STRANGE.sub("-", hint or "").strip("-._@+")[:_MOST_CHARS]
        if re.match(USERNAME_PATTERN, name):
            return name
    return "user"


def is_local_path(target: str) -> bool:
    """Whether a page to return to is one of ours: anything else would make sign-in a springboard to other sites."""
    is_path = target.startswith("/") and not target.startswith("//")
    return is_path and "\\" not in target and target.isprintable() and target.isascii() and len(target) <= 512
