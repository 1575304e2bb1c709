"""A rule's answer when something may not be done: a value, so that rules stay pure and testable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RefusalKind(Enum):
    """What sort of no: not allowed to this person, contradicts what is there, or not acceptable at all."""

    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `code` for programs, `message` for people, `field` where one is to blame."""

    kind: RefusalKind
    code: str
    message: str
    field: str | None = None


def forbidden(code: str, message: str, field: str | None = None) -> Refusal:
    """Return a refusal that another person might not get."""
    return Refusal(RefusalKind.FORBIDDEN, code, message, field)


def conflict(code: str, message: str, field: str | None = None) -> Refusal:
    """Return a refusal because of what is there already."""
    return Refusal(RefusalKind.CONFLICT, code, message, field)


def invalid(code: str, message: str, field: str | None = None) -> Refusal:
    """Return a refusal whoever asks."""
    return Refusal(RefusalKind.INVALID, code, message, field)
