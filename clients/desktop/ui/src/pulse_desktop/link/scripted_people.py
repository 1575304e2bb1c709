"""The people, roles, settings and conflicts of the scripted world."""

from __future__ import annotations

from typing import Any

from pulse_contracts.configuration import BUILT_IN_KEYS
from pulse_contracts.local_people import (
    ConfigRow,
    ConfigRows,
    KeyParams,
    KeyValueParams,
    Pending,
    RoleRow,
    Roles,
    Setting,
    SettingOrigin,
    Settings,
    UserRow,
    Users,
)
from pulse_contracts.local_records import (
    ConflictRow,
    Conflicts,
    PendingEdit,
    PendingEdits,
)
from pulse_contracts.local_status import (
    DeviceInfo,
    NoParams,
)
from pulse_contracts.operations import EditableEntity
from pulse_contracts.permissions import BUILT_IN_ROLES

NOW_MS = 1_795_300_000_000
"""A Saturday evening in November 2026."""
MINUTE_MS = 60_000
PASSWORD = "correct horse 1"  # noqa: S105 -- nobody's
ADMIN, OPERATOR, VIEWER, NIGHT = "role-admin", "role-operator", "role-viewer", "role-night"

DEVICE = DeviceInfo(
    device_id="D-7f3a",
    name="Press line 2",
    server_url="https://pulse.example.org",
    broker_host="pulse.example.org",
    broker_port=8883,
    is_tls=True,
    key_store="keyring",
)


def users() -> Users:
    """Return four people, one of them new and one changed."""
    common: dict[str, Any] = {"version": 3, "updated_ms": NOW_MS}
    rows = [
        UserRow(id="u-ada", username="ada", email="ada@example.org", is_active=True, roles=[ADMIN], **common),
        UserRow(
            id="u-ben", username="ben", email="ben@example.org", is_active=True, roles=[OPERATOR, NIGHT],
            pending=Pending(fields=["email", "roles"]), **common,
        ),
        UserRow(
            id="u-cem", username="cem", email=None, is_active=True, roles=[VIEWER],
            pending=Pending(is_new=True), **common,
        ),
        UserRow(id="u-dora", username="dora", email="dora@example.org", is_active=False, roles=[], **common),
    ]  # fmt: skip
    return Users(total=len(rows), rows=rows)


def roles() -> Roles:
    """Return the built-in roles and one more."""
    rows = [
        RoleRow(
            id=row_id, name=name, description=description, is_built_in=True, users=count, version=1,
            permissions=sorted(right.value for right in BUILT_IN_ROLES[name]),
        )
        for row_id, name, description, count in (
            (ADMIN, "admin", "Everything", 1),
            (OPERATOR, "operator", "Runs devices", 1),
            (VIEWER, "viewer", "Looks on", 1),
        )
    ]  # fmt: skip
    night = RoleRow(
        id=NIGHT, name="night shift", description="Acknowledges alarms at night", is_built_in=False, users=1,
        permissions=["alerts:acknowledge", "alerts:read", "telemetry:read"], version=4,
        pending=Pending(fields=["permissions"]),
    )  # fmt: skip
    return Roles(total=4, rows=[rows[0], night, *rows[1:]])


def config() -> ConfigRows:
    """Return entries for all, for a group and for this desktop."""
    common: dict[str, Any] = {"version": 1, "updated_ms": NOW_MS}
    return ConfigRows(
        rows=[
            ConfigRow(
                id="all//telemetry.interval_ms", scope="all", target="", key="telemetry.interval_ms", value=5000,
                is_winner=False, **common,
            ),
            ConfigRow(
                id="device/D-7f3a/telemetry.interval_ms", scope="device", target="D-7f3a",
                key="telemetry.interval_ms", value=1000, is_winner=True, pending=Pending(fields=["value"]), **common,
            ),
            ConfigRow(
                id="group/presses/outbox.policy", scope="group", target="presses", key="outbox.policy",
                value="thin", is_winner=True, **common,
            ),
            ConfigRow(
                id="all//custom.furnace.limit", scope="all", target="", key="custom.furnace.limit", value=930,
                is_winner=True, problem="no source of this desktop knows it", **common,
            ),
        ]
    )  # fmt: skip


def settings(*, can_change: bool = True) -> Settings:
    """Return every built-in key."""
    values: dict[str, Any] = {"telemetry.interval_ms": 1000, "telemetry.sources": ["host"], "outbox.policy": "thin"}
    origins = {"telemetry.interval_ms": SettingOrigin.DEVICE, "outbox.policy": SettingOrigin.GROUP}
    items = [
        Setting(
            key=key, spec=spec, value=values.get(key, spec.default), origin=origins.get(key, SettingOrigin.DEFAULT),
            is_pending=key == "telemetry.interval_ms",
        )
        for key, spec in BUILT_IN_KEYS.items()
    ]  # fmt: skip
    return Settings(device=DEVICE, items=items, can_change=can_change)


class KeptSettings:
    """Settings that hold what they are changed to."""

    def __init__(self) -> None:
        self._now = settings()

    def read(self, _params: NoParams) -> Settings:
        """Return what holds."""
        return self._now

    def change(self, params: KeyValueParams) -> Setting:
        """Set a key for this desktop."""
        return self._put(params.key, params.value, SettingOrigin.DEVICE)

    def reset(self, params: KeyParams) -> Setting:
        """Give a key back to its default."""
        return self._put(params.key, BUILT_IN_KEYS[params.key].default, SettingOrigin.DEFAULT)

    def _put(self, key: str, value: object, origin: SettingOrigin) -> Setting:
        [old] = [one for one in self._now.items if one.key == key]
        new = old.model_copy(update={"value": value, "origin": origin})
        items = [new if one is old else one for one in self._now.items]
        self._now = self._now.model_copy(update={"items": items})
        return new


def pending() -> PendingEdits:
    """Return two edits under way."""
    rows = [
        PendingEdit(
            op_id="1", entity=EditableEntity.USERS, row_id="u-cem", name="cem",
            fields={"username": "cem", "password": True, "roles_added": [VIEWER]}, actor_id="u-ada", actor="ada",
            made_ms=NOW_MS - 4 * MINUTE_MS, is_sent=False,
        ),
        PendingEdit(
            op_id="2", entity=EditableEntity.CONFIG, row_id="device/D-7f3a/telemetry.interval_ms",
            name="telemetry.interval_ms", fields={"value": 1000}, actor_id="u-ada", actor="ada",
            made_ms=NOW_MS - 2 * MINUTE_MS, is_sent=True,
        ),
    ]  # fmt: skip
    return PendingEdits(total=2, rows=rows)


def conflicts() -> Conflicts:
    """Return an edit that lost and one that was refused."""
    rows = [
        ConflictRow(
            number=12, at_ms=NOW_MS - 8 * MINUTE_MS, entity=EditableEntity.USERS, row_id="u-ben", name="ben",
            outcome="conflict_lost", code=None,
            sentence="Your change of the user ben (email): somebody else changed it later, and their change stands.",
            actor_id="u-ada", actor="ada", here={"email": "ben@presses.example.org", "roles_added": [NIGHT]},
            here_ms=NOW_MS - 40 * MINUTE_MS,
            server={"username": "ben", "email": "ben@example.org", "roles": [OPERATOR], "is_active": True},
            server_ms=NOW_MS - 20 * MINUTE_MS, server_by="eve", can_restore=True, is_read=False,
        ),
        ConflictRow(
            number=11, at_ms=NOW_MS - 90 * MINUTE_MS, entity=EditableEntity.ROLES, row_id=NIGHT, name="night shift",
            outcome="rejected", code="beyond_own_rights",
            sentence="Your change of the role night shift (permissions): the server refused it (beyond own rights).",
            actor_id="u-ben", actor="ben", here={"permissions_added": ["users:write"]},
            here_ms=NOW_MS - 95 * MINUTE_MS, server={"name": "night shift", "permissions": ["alerts:read"]},
            can_restore=False, is_read=True,
        ),
    ]  # fmt: skip
    return Conflicts(total=2, open=2, rows=rows)
