"""A small world that a scripted agent tells of: a device, people, roles, settings, conflicts, records."""

from __future__ import annotations

import math
from typing import Any

from pulse_contracts.configuration import BUILT_IN_KEYS
from pulse_contracts.local_enrolment import EnrolReport, Step, StepReport, StepState
from pulse_contracts.local_people import (
    ConfigRow,
    ConfigRows,
    Made,
    Pending,
    RoleRow,
    Roles,
    Session,
    Setting,
    SettingOrigin,
    Settings,
    SignInParams,
    UserRow,
    Users,
)
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_records import (
    Cleared,
    Compared,
    ConflictRow,
    Conflicts,
    LogRecord,
    LogRecords,
    Losses,
    LossRow,
    PendingEdit,
    PendingEdits,
    Quarantine,
    QuarantinedRow,
)
from pulse_contracts.local_status import (
    Backlog,
    Connection,
    ConnectionStatus,
    DeviceInfo,
    Done,
    Drain,
    Latest,
    LatestValue,
    Mode,
    Recent,
    RecentParams,
    Status,
    SyncStatus,
    Versions,
)
from pulse_contracts.operations import EditableEntity
from pulse_contracts.permissions import BUILT_IN_ROLES, Permission
from pulse_desktop.link.scripted_agent import Answers

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


def status(**changes: Any) -> Status:
    """Return a state: online, all delivered."""
    fields: dict[str, Any] = {
        "mode": Mode.ENROLLED,
        "connection": ConnectionStatus(state=Connection.ONLINE, since_ms=NOW_MS - 95 * MINUTE_MS, reason="welcomed"),
        "backlog": Backlog(readings=0, bytes=0, max_bytes=1_073_741_824, fullness="normal"),
        "sync": SyncStatus(is_taking_part=True, last_sync_ms=NOW_MS - 23_000),
        "device": DEVICE,
        "data_folder": "/var/lib/precisionpulse-agent",
        "pid": 4711,
        "started_ms": NOW_MS - 96 * MINUTE_MS,
        "now_ms": NOW_MS,
        "versions": Versions(agent="0.1.0", protocol=1, python="3.11.7", sqlite="3.45.1", platform="Linux"),
    }
    return Status(**{**fields, **changes})


def unenrolled() -> Status:
    """Return the state of an agent that is nobody's device."""
    gone = ConnectionStatus(state=Connection.DISCONNECTED, since_ms=NOW_MS, reason="starting")
    return status(mode=Mode.UNENROLLED, connection=gone, device=None, sync=SyncStatus(is_taking_part=False))


def offline(readings: int = 12_431) -> Status:
    """Return the state of an agent without a network for half an hour."""
    return status(
        connection=ConnectionStatus(
            state=Connection.OFFLINE_BUFFERING,
            since_ms=NOW_MS - 31 * MINUTE_MS,
            reason="not_reachable",
            detail="[Errno 113] No route to host",
            next_try_ms=NOW_MS + 42_000,
        ),
        backlog=Backlog(
            readings=readings,
            bytes=readings * 190,
            max_bytes=1_073_741_824,
            fullness="normal",
            oldest_ms=NOW_MS - 31 * MINUTE_MS,
        ),
        sync=SyncStatus(is_taking_part=True, last_sync_ms=NOW_MS - 31 * MINUTE_MS, pending=2),
    )


def draining(left: int = 4_210, started_with: int = 12_431) -> Status:
    """Return the state of an agent that catches up."""
    return status(
        connection=ConnectionStatus(state=Connection.DRAINING, since_ms=NOW_MS - 9_000, reason="catching_up"),
        backlog=Backlog(
            readings=left,
            bytes=left * 190,
            max_bytes=1_073_741_824,
            fullness="normal",
            oldest_ms=NOW_MS - 12 * MINUTE_MS,
            drain=Drain(
                started_ms=NOW_MS - 9_000,
                started_with=started_with,
                left=left,
                rate_per_s=913.0,
                seconds_left=left / 913,
            ),
        ),
    )


def session(*permissions: Permission, **changes: Any) -> Session:
    """Return somebody who is signed in, with every right unless told otherwise."""
    fields: dict[str, Any] = {
        "user_id": "u-ada",
        "username": "ada",
        "roles": ["admin"],
        "permissions": sorted(right.value for right in permissions or Permission),
        "lease_until_ms": NOW_MS + 6 * 86_400_000,
        "is_online": True,
        "signed_in_ms": NOW_MS,
    }
    return Session(**{**fields, **changes})


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


def quarantine(count: int = 3) -> Quarantine:
    """Return readings that the server refused."""
    rows = [
        QuarantinedRow(
            number=number, sequence=8_100 + number, epoch=1, recorded_ms=NOW_MS - number * MINUTE_MS, channel="buffer",
            metrics=f'{{"pressure_bar": {1e9 + number}}}', code="bad_value", detail="pressure_bar is out of bounds",
            moved_ms=NOW_MS,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    return Quarantine(total=count, rows=rows)


def losses() -> Losses:
    """Return two ranges, one of which the server knows."""
    common: dict[str, Any] = {"at_ms": NOW_MS - 200 * MINUTE_MS}
    rows = [
        LossRow(number=1, low=4_001, high=4_500, count=500, reason="quota", declared_ms=NOW_MS, **common),
        LossRow(number=2, low=6_020, high=6_021, count=2, reason="corrupt", **common),
    ]
    return Losses(total=2, rows=rows)


def logs() -> LogRecords:
    """Return a few records."""
    lines: list[tuple[str, str, str, dict[str, Any]]] = [
        ("info", "connection_state", "agent", {"state": "Connecting", "buffered": 12431}),
        ("info", "welcomed", "courier", {"epoch": 1, "cum": 81_223, "window": 16}),
        ("warning", "clock_differs", "server_time", {"offset_ms": -2140}),
        ("info", "connection_state", "agent", {"state": "Draining", "buffered": 12431}),
        ("error", "source_failed", "sources", {"source": "lines", "reason": "the port 7070 is in use"}),
        ("info", "replica_applied", "replica", {"rows": 4, "cursor": 311}),
    ]
    return LogRecords(
        records=[
            LogRecord(
                number=number, at_ms=NOW_MS - 60_000 + number * 2_000, level=level, event=event, part=part, fields=f
            )
            for number, (level, event, part, f) in enumerate(lines, 1)
        ]
    )


def wave(at_ms: int) -> float:
    """Return a reading that looks like one."""
    seconds = at_ms / 1000
    return round(34 + 9 * math.sin(seconds / 11) + 3 * math.sin(seconds / 2.3) + 1.5 * math.sin(seconds * 1.7), 2)


def latest(at_ms: int = NOW_MS - 400) -> Latest:
    """Return the newest values."""
    values: dict[str, LatestValue] = {
        "cpu_percent": LatestValue(value=wave(at_ms), at_ms=at_ms),
        "memory_percent": LatestValue(value=61.4, at_ms=at_ms),
        "door_open": LatestValue(value=False, at_ms=at_ms),
    }
    return Latest(values=values)


def recent(params: RecentParams) -> Recent:
    """Return fifteen minutes at one reading a second, with a gap of nine seconds."""
    times = [NOW_MS - 400 - n * 1000 for n in range(900, -1, -1) if not 21 <= n <= 29]
    return Recent(metric=params.metric, samples=[(at, wave(at)) for at in times])


def enrol_failed() -> EnrolReport:
    """Return a check that ended at the certificate."""
    return EnrolReport(
        is_ok=False,
        steps=[
            StepReport(step=Step.ADDRESS, state=StepState.OK, message="pulse.example.org, port 443"),
            StepReport(
                step=Step.TLS, state=StepState.FAILED, code="certificate_untrusted",
                message="the certificate is signed by an authority that this computer does not know",
            ),
            StepReport(step=Step.SERVER, state=StepState.SKIPPED),
            StepReport(step=Step.CLOCK, state=StepState.SKIPPED),
        ],
    )  # fmt: skip


def enrol_checked() -> EnrolReport:
    """Return a check in which the clock is a little off."""
    return EnrolReport(
        is_ok=True,
        steps=[
            StepReport(step=Step.ADDRESS, state=StepState.OK, message="pulse.example.org, port 443"),
            StepReport(step=Step.TLS, state=StepState.OK, message="valid until 12 Mar 2027"),
            StepReport(step=Step.SERVER, state=StepState.OK, message="PrecisionPulse 0.1.0"),
            StepReport(step=Step.CLOCK, state=StepState.WARNING, message="this computer is 48 s behind the server"),
        ],
    )


def enrolled() -> EnrolReport:
    """Return an enrolment that came to its good end."""
    steps = [StepReport(step=step, state=StepState.OK) for step in Step]
    return EnrolReport(is_ok=True, steps=steps, device=DEVICE)


def sign_in(params: SignInParams) -> Session | ErrorBody:
    """Let ada in; turn everybody else away."""
    if params.username == "ada" and params.password == PASSWORD:
        return session()
    return ErrorBody(code="wrong_credentials", message="the username or the password is wrong")


def answers(**changes: Any) -> Answers:
    """Return what this world's agent answers; names of methods have `__` for the dot in `changes`."""
    done = Done()
    found: Answers = {
        "sign_in": sign_in,
        "sign_out": done,
        "latest": latest(),
        "recent": recent,
        "sync.now": Compared(cursor=311, differed=[], pending=0),
        "users.list": users(),
        "users.create": Made(id="u-new"),
        "users.edit": done,
        "users.set_active": done,
        "users.set_password": done,
        "users.change_roles": done,
        "users.delete": done,
        "roles.list": roles(),
        "roles.create": Made(id="role-new"),
        "roles.edit": done,
        "roles.change_permissions": done,
        "roles.delete": done,
        "config.list": config(),
        "config.set": done,
        "config.clear": done,
        "settings.read": settings(),
        "settings.change": settings().items[0],
        "settings.reset": settings().items[0],
        "sync.pending": pending(),
        "conflicts.list": conflicts(),
        "conflicts.accept": done,
        "conflicts.restore": done,
        "quarantine.list": quarantine(),
        "quarantine.clear": Cleared(count=3),
        "losses.list": losses(),
        "logs.tail": logs(),
        "enrol.check": enrol_checked(),
        "enrol.enrol": enrolled(),
    }
    return {**found, **{name.replace("__", "."): answer for name, answer in changes.items()}}
