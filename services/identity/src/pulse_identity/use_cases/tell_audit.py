"""Telling the audit log about a change, in the transaction that makes it: both are committed, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pulse_chassis.audit_events import audit_event, noted_changes
from pulse_contracts.audit import AuditActor, AuditResource
from pulse_identity.domain.devices import Device, DeviceShare
from pulse_identity.domain.people import Actor, Role, User
from pulse_identity.use_cases.ports import UnitOfWork

SERVICE: Final = "identity"
ITSELF: Final = AuditActor(kind="service", id=SERVICE, name=SERVICE)
Fields = Mapping[str, Any]


async def tell_audit(
    unit: UnitOfWork,
    action: str,
    resource: AuditResource,
    *,
    by: Actor | User | AuditActor | None = None,
    before: Fields | None = None,
    after: Fields | None = None,
) -> None:
    """Tell that this was done; by whom the request is from, unless `by` says otherwise.

    With both `before` and `after` only what differs is told. Neither holds a password, key or token. Of what was done
    on a desktop, which one is told too.
    """
    if before is not None and after is not None:
        before, after = noted_changes(before, after)
    if unit.editor is not None and unit.editor.desktop_id is not None:
        after = {**(after or {}), "source": unit.editor.source, "desktop_id": unit.editor.desktop_id}
    event = audit_event(SERVICE, action, resource, datetime.now(UTC), actor=_actor(by), before=before, after=after)
    await unit.publish(event)


def user_resource(user_id: object) -> AuditResource:
    """Return the resource that a user is."""
    return AuditResource(type="user", id=str(user_id))


def device_resource(device_id: str) -> AuditResource:
    """Return the resource that a device is."""
    return AuditResource(type="device", id=device_id)


def session_resource(session_id: object) -> AuditResource:
    """Return the resource that a session is."""
    return AuditResource(type="session", id=str(session_id))


def role_resource(role_id: object) -> AuditResource:
    """Return the resource that a role is."""
    return AuditResource(type="role", id=str(role_id))


def user_fields(user: User) -> dict[str, Any]:
    """Return what is told of a user."""
    return {"username": user.username, "email": user.email, "roles": sorted(user.roles), "is_active": user.is_active}


def role_fields(role: Role) -> dict[str, Any]:
    """Return what is told of a role."""
    return {"name": role.name, "description": role.description, "permissions": sorted(role.permissions)}


def device_fields(device: Device) -> dict[str, Any]:
    """Return what is told of a device."""
    return {
        "name": device.name,
        "kind": device.kind,
        "owner_id": None if device.owner_id is None else str(device.owner_id),
        "is_active": device.is_active,
        "groups": list(device.groups),
        "metadata": device.metadata,
    }


def share_fields(share: DeviceShare) -> dict[str, Any]:
    """Return what is told of a share."""
    return {"level": share.level.value, "user": share.username, "role": share.role}


def _actor(by: Actor | User | AuditActor | None) -> AuditActor | None:
    if isinstance(by, Actor):
        return AuditActor(kind="user", id=str(by.user_id), name=by.username)
    if isinstance(by, User):
        return AuditActor(kind="user", id=str(by.id), name=by.username)
    return by
