"""Desktops: devices with keys of their own, and what it takes to make one a workstation.

Only a workstation may send edits of people and roles. Who makes one, or lets a machine enrol as one, hands that out,
so they must hold it: nobody creates a capability that they lack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pulse_contracts.permissions import Permission
from pulse_identity.domain.people import Actor
from pulse_identity.domain.refusal import Refusal, forbidden

WORKSTATION_KIND: Final = "workstation"
"""A desktop on which people with the right to do so may edit users and roles, also offline."""
DESKTOP_KIND: Final = "desktop"
"""A desktop that only shows people and roles; config of its own it may edit."""


@dataclass(frozen=True, slots=True)
class DesktopKeys:
    """A desktop's public keys: what it signs operations with, and what is sealed to it."""

    sign_jwk: dict[str, str] = field(hash=False)
    seal_key: str


@dataclass(frozen=True, slots=True)
class Desktop:
    """A device that enrolled with keys; `sealed_verifier_key` is K_desktop as it is stored."""

    device_id: str
    keys: DesktopKeys
    sealed_verifier_key: bytes = field(repr=False)
    is_workstation: bool
    is_active: bool


@dataclass(frozen=True, slots=True)
class DesktopSecrets:
    """What an enrolling desktop is told once."""

    verifier_key: str = field(repr=False)
    password_key: str


def check_kind(actor: Actor, kind: str) -> Refusal | None:
    """Return why the actor may not make, or enrol, a device of this kind."""
    if kind == WORKSTATION_KIND and not actor.can(Permission.USERS_WRITE):
        needed = Permission.USERS_WRITE.value
        return forbidden("workstation_needs_users_write", f"making a workstation needs the permission {needed}", "kind")
    return None
