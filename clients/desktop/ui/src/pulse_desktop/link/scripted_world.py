"""A small world that a scripted agent tells of: a device, people, roles, settings, conflicts, records."""

from __future__ import annotations

import math
from typing import Any

from pulse_contracts.local_enrolment import EnrolReport, Step, StepReport, StepState
from pulse_contracts.local_people import (
    Made,
    Session,
    SignInParams,
)
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_records import (
    Cleared,
    Compared,
    LogRecord,
    LogRecords,
    Losses,
    LossRow,
    Quarantine,
    QuarantinedRow,
)
from pulse_contracts.local_status import (
    Backlog,
    Connection,
    ConnectionStatus,
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
from pulse_contracts.local_updates import Update, UpdateDownload, UpdateMode, UpdateStatus
from pulse_contracts.permissions import Permission
from pulse_desktop.link.scripted_agent import Answers
from pulse_desktop.link.scripted_people import (
    DEVICE,
    MINUTE_MS,
    NOW_MS,
    PASSWORD,
    KeptSettings,
    config,
    conflicts,
    pending,
    roles,
    users,
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


def updates(**changes: Any) -> UpdateStatus:
    """Return a newer release; `received`, `path` and `problem` are of its download, what else is given of the status."""
    name, size = "precisionpulse_0.2.0_amd64.deb", 76_123_456
    given: dict[str, Any] = {key: changes.pop(key) for key in ("received", "path", "problem") if key in changes}
    download = None
    if given:
        given = {"received": size, "is_running": given.keys() == {"received"}, **given}
        download = UpdateDownload(name=name, size=size, **given)
    found = Update(
        version="0.2.0", released_ms=NOW_MS - 26 * 60 * MINUTE_MS, platform="linux-deb", name=name, size=size,
        notes={
            "en": "- Updates are offered, and believed only if they are signed.\n- The log is kept for longer.",
            "de": "- Aktualisierungen werden angeboten, geglaubt nur, wenn sie signiert sind.\n- Das Protokoll bleibt länger.",
        },
        download=download,
    )  # fmt: skip
    fields: dict[str, Any] = {"mode": UpdateMode.DOWNLOAD, "checked_ms": NOW_MS - 4 * MINUTE_MS, "available": found}
    return UpdateStatus(**{**fields, **changes})


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
    done, kept = Done(), KeptSettings()
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
        "settings.read": kept.read,
        "settings.change": kept.change,
        "settings.reset": kept.reset,
        "sync.pending": pending(),
        "conflicts.list": conflicts(),
        "conflicts.accept": done,
        "conflicts.restore": done,
        "quarantine.list": quarantine(),
        "quarantine.clear": Cleared(count=3),
        "losses.list": losses(),
        "logs.tail": logs(),
        "updates.check": updates(),
        "updates.download": updates(received=31_400_000),
        "updates.cancel": updates(),
        "enrol.check": enrol_checked(),
        "enrol.enrol": enrolled(),
    }
    return {**found, **{name.replace("__", "."): answer for name, answer in changes.items()}}
