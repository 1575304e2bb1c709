"""The audit log of a running service: what gets into it, who reads it, and that tampering shows."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest
import sqlalchemy as sa

from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.request_origin import RequestOrigin, request_origin
from pulse_chassis.streams import StreamWriter
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_contracts.streams import AUDIT_LOG_STREAM, AUDIT_STREAM, MAX_ENTRY_BYTES
from pulse_identity.domain.audit_chain import AuditFilter, extend
from pulse_identity.messaging.audit_feed import AuditFeed
from pulse_identity.messaging.in_memory_accounts import InMemoryAccounts
from pulse_identity.storage.tables import outbox
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.register_devices import DeviceWish, RegisterDevices
from pulse_identity.use_cases.verify_audit import VerifyAudit

LOAD = 10_000
BATCH = 500


@pytest.fixture
def settle(service):
    """Bring everything that was told into the log, as the workers do."""
    parts = service.parts
    relay = OutboxRelay(parts.database, outbox, parts.redis)
    feed = AuditFeed(parts.redis, parts.audit_log, parts.clock)

    async def run() -> None:
        await parts.audit_trail.write(is_last=True)
        while await relay.publish_pending():
            pass
        await feed.drain()

    return run


@pytest.fixture
def verify(service):
    return VerifyAudit(service.parts.audit_log, service.parts.audit_signer)


@pytest.fixture
async def intruder(service, postgres_server, postgres_database):
    """Somebody with the whole database, past the triggers; returns a function that runs SQL."""
    url = postgres_server.superuser_url(postgres_database["pulse_identity"])
    connection = await asyncpg.connect(url)
    await connection.execute("set session_replication_role = replica")
    yield connection.execute
    await connection.close()


async def entries(admin, **query):
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    return (await admin.call("GET", f"/api/audit?limit=500&{parameters}", status=200))["items"]


async def test_a_persons_and_a_devices_life_is_in_the_log_with_before_and_after(service, admin, settle):
    person = await service.add_person(admin, "viewer", username="frida")
    await admin.call("PUT", f"/api/users/{person.id}/toggle-status", status=200)
    await admin.call("POST", "/api/devices", {"id": "told", "metadata": {"wifi_password": "hunter22"}}, status=201)
    await admin.call("PATCH", "/api/devices/told", {"name": "B"}, status=200)
    await admin.call("POST", "/api/devices/told/rotate-key", status=200)
    await admin.call("POST", "/api/devices/told/shares", {"role": "viewer", "level": "read"}, status=201)
    await admin.call("POST", "/api/devices/told/disable", status=200)
    await admin.call("DELETE", "/api/devices/told", status=204)
    await admin.call("DELETE", f"/api/users/{person.id}", status=204)
    await settle()
    of_device = await entries(admin, resource="device:told")
    assert [item["action"] for item in reversed(of_device)] == [
        "device.registered", "device.changed", "device.key_rotated", "device.shared", "device.disabled", "device.deleted",
    ]  # fmt: skip
    assert (of_device[-2]["before"], of_device[-2]["after"]) == ({"name": "told"}, {"name": "B"})
    assert "hunter22" not in json.dumps(of_device)
    of_user = await entries(admin, resource=f"user:{person.id}")
    assert [item["action"] for item in reversed(of_user)] == ["user.created", "user.changed", "user.deleted"]
    assert (of_user[1]["before"], of_user[1]["after"]) == ({"is_active": True}, {"is_active": False})
    assert of_user[0]["actor"]["name"] == "admin"
    assert of_user[0]["address"] == "127.0.0.1"
    assert of_user[0]["request_id"]
    sessions = await entries(admin, actor="frida", action="session.*")
    assert [item["action"] for item in sessions] == ["session.opened"]


async def test_what_redis_lost_before_the_log_had_it_is_told_again_and_forgotten_when_it_is_there(
    service, admin, settle, monkeypatch
):
    parts = service.parts
    relay = OutboxRelay(parts.database, outbox, parts.redis)
    await admin.call("POST", "/api/roles", {"name": "lost and found"}, status=201)
    while await relay.publish_pending():
        pass
    await parts.redis.flushdb()
    assert await relay.forget_stored() == 0
    await settle()
    assert await entries(admin, action="role.created") == []
    monkeypatch.setattr("pulse_chassis.outbox.AGAIN_SECONDS", 0.0)
    assert await relay.publish_pending() > 0
    monkeypatch.undo()
    await settle()
    (told,) = await entries(admin, action="role.created")
    assert told["after"]["name"] == "lost and found"
    assert await relay.forget_stored() > 0
    async with parts.database.read() as session:
        # What is left is that somebody just read the log.
        assert await session.scalar(sa.select(sa.func.count()).where(outbox.c.published_at.is_not(None))) == 0


async def test_refusals_are_in_the_log_and_a_flood_of_them_is_two_rows(service, admin, settle):
    viewer = await service.add_person(admin, "viewer", username="prying")
    await viewer.call("GET", "/api/users", status=403)
    for _ in range(50):
        await service.http.get("/api/users")
    bad = {"username": "admin", "password": "not the password"}
    assert (await service.http.post("/api/auth/login", json=bad)).status_code == 401
    unknown = {"username": "my-secret-typed-here", "password": "x"}
    assert (await service.http.post("/api/auth/login", json=unknown)).status_code == 401
    await settle()
    refused = await entries(admin, outcome="refused")
    found = {
        (item["resource"]["id"], item["actor"]["name"], item["reason"]): sum(
            other["count"] for other in refused
            if (other["resource"], other["actor"], other["reason"]) == (item["resource"], item["actor"], item["reason"])
        )
        for item in refused
    }  # fmt: skip
    assert found == {
        ("GET /api/users", "prying", "forbidden"): 1,
        ("GET /api/users", None, "unauthorized"): 50,
        ("POST /api/auth/login", "admin", "invalid_credentials"): 1,
        ("POST /api/auth/login", None, "invalid_credentials"): 1,
    }
    assert len(refused) == 5
    assert "my-secret-typed-here" not in json.dumps(refused)


async def test_signing_out_is_in_the_log(service, settle, admin):
    person = await service.sign_in()
    await service.http.post("/api/auth/logout", json={"refresh_token": person.tokens["refresh_token"]})
    await settle()
    (closed,) = await entries(admin, action="session.closed")
    assert closed["actor"]["name"] == "admin"


async def test_what_is_rolled_back_is_not_told(admin, settle):
    await admin.call("POST", "/api/devices", {"id": "once"}, status=201)
    await admin.call("POST", "/api/devices", {"id": "once"}, status=409)
    await settle()
    assert len(await entries(admin, resource="device:once")) == 1


async def test_only_who_may_reads_the_log_and_reading_is_told(service, admin, settle):
    assert (await service.http.get("/api/audit")).status_code == 401
    operator = await service.add_person(admin, "operator")
    await operator.call("GET", "/api/audit", status=403)
    for bad in (
        "from=2026-01-01",
        "to=0001-01-01T00:00:00%2B23:59",
        "cursor=0",
        "outcome=x",
        "actor=%00",
        "format=xml",
    ):
        await admin.call("GET", f"/api/audit?{bad}", status=422)
    for odd in (
        "to=9999-12-31T00:00:00Z",
        "from=0001-01-01T00:00:00Z",
        f"cursor={2**63 - 1}",
        "action=%25.*",
        "resource=:",
    ):
        await admin.call("GET", f"/api/audit?{odd}", status=200)
    await admin.call("GET", "/api/audit?action=user.*&from=2026-01-01T00:00:00Z", status=200)
    await settle()
    told = (await entries(admin, action="audit.read"))[0]
    assert told["after"] == {"filter": {"action": "user.*", "from": "2026-01-01T00:00:00+00:00"}}


async def test_pages_follow_one_another_without_a_gap(admin, settle):
    for number in range(7):
        await admin.call("POST", "/api/devices", {"id": f"paged-{number}"}, status=201)
    await settle()
    seen, cursor = [], ""
    while cursor is not None:
        page = await admin.call("GET", f"/api/audit?action=device.registered&limit=3{cursor}", status=200)
        seen += [item["resource"]["id"] for item in page["items"]]
        cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    assert seen == [f"paged-{number}" for number in reversed(range(7))]


async def test_the_csv_has_everything_and_no_formula(service, admin, settle):
    await admin.call("POST", "/api/devices", {"id": "sheet", "name": "=1+1"}, status=201)
    event = AuditEvent(
        id=uuid.uuid4(), at="2026-11-21T12:00:00Z", service="test", action="@evil", outcome=AuditOutcome.FAILED,
        actor=AuditActor(kind="service", name="=cmd|' /C calc'!A0"), resource=AuditResource(type="+x", id="-y"),
    )  # fmt: skip
    await service.parts.audit_log.append([event])
    await settle()
    headers = {"Authorization": f"Bearer {admin.tokens['access_token']}"}
    by_name = await service.http.get("/api/audit?format=csv", headers=headers)
    by_type = await service.http.get("/api/audit", headers={**headers, "Accept": "text/csv"})
    for answer in (by_name, by_type):
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert {"user.created", "device.registered", "'@evil"} <= {row["action"] for row in rows}
        assert [row["seq"] for row in rows] == [str(number) for number in range(len(rows), 0, -1)]
        cells = [cell for row in rows for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    await settle()
    assert len(await entries(admin, action="audit.exported")) == 2


async def test_the_services_own_role_cannot_change_a_row(service, admin, settle, postgres_database):
    await settle()
    connection = await asyncpg.connect(postgres_database["pulse_identity"])
    for table in ("audit_log", "audit_checkpoints"):
        for statement in (f"update {table} set seq = seq + 1", f"delete from {table}", f"truncate {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    # Also after the owner gave itself the right again: the trigger stands.
    await connection.execute("grant update, delete, truncate on audit_log to current_user")
    for statement in ("update audit_log set action = 'x'", "delete from audit_log", "truncate audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed or removed"):
            await connection.execute(statement)
    await connection.close()


async def test_an_event_that_comes_twice_or_is_no_event_does_no_harm(service, admin, settle, verify):
    await settle()
    rows = (await verify()).rows
    event = AuditEvent(
        id=uuid.uuid4(), at="2026-11-21T12:00:00Z", service="ingest", action="a.b", outcome=AuditOutcome.SUCCESS,
        actor=AuditActor(kind="service", name="ingest"), resource=AuditResource(type="x"),
    ).model_dump_json().encode()  # fmt: skip
    writer = StreamWriter(service.parts.redis, AUDIT_STREAM, 1000)
    await writer.append_many([event, event, b"no event", b"no event"])
    await settle()
    await writer.append(event)
    await settle()
    found = await verify()
    assert (found.rows, found.fault) == (rows + 2, None)
    assert len(await entries(admin, action="audit.entry_unreadable")) == 1


async def test_what_was_read_and_not_committed_is_read_again(service, admin, settle, postgres_server, verify):
    parts = service.parts
    await settle()
    await admin.call("POST", "/api/devices", {"id": "kept"}, status=201)
    await OutboxRelay(parts.database, outbox, parts.redis).publish_pending()

    class Away:
        async def append(self, _events):
            raise ConnectionError

    with contextlib.suppress(ConnectionError):
        await AuditFeed(parts.redis, Away(), parts.clock).drain()
    await settle()
    assert len(await entries(admin, resource="device:kept")) == 1
    assert (await verify()).fault is None


async def test_of_two_appenders_one_works_at_a_time(service, verify):
    log = service.parts.audit_log

    def events(name):
        return [
            AuditEvent(
                id=uuid.uuid4(), at="2026-11-21T12:00:00Z", service=name, action="a.b", outcome=AuditOutcome.SUCCESS,
                actor=AuditActor(kind="service", name=name), resource=AuditResource(type="x"),
            )
            for _ in range(5)
        ]  # fmt: skip

    await asyncio.gather(*(log.append(events(f"s{number}")) for number in range(8)))
    found = await verify()
    assert (found.rows, found.fault) == (40, None)


def a_row(name, number=0):
    return AuditEvent(
        id=uuid.uuid4(), at="2026-11-21T12:00:00Z", service=name, action="a.b", outcome=AuditOutcome.SUCCESS,
        actor=AuditActor(kind="service", name=name), resource=AuditResource(type="x", id=str(number)),
    )  # fmt: skip


async def test_rows_that_somebody_added_at_the_end_stay_outside_of_the_chain(service, verify, postgres_database):
    """Whoever can write to the table can compute digests, but not sign; adding rows needs no trigger to be passed."""
    log = service.parts.audit_log
    await log.append([a_row("ours") for _ in range(3)])
    (last,) = await log.page(AuditFilter(), None, 1)
    connection = await asyncpg.connect(postgres_database["pulse_identity"])
    for row in extend(last.link, [a_row("forged")]):
        names = "seq, entry, previous, digest, event_id, at, service, actor_kind, actor_id, actor_name, action"
        values = ", ".join(f"${number}" for number in range(1, 15))
        await connection.execute(
            f"insert into audit_log ({names}, resource_type, resource_id, outcome) values ({values})",
            row.seq, row.entry, row.previous, row.digest, *row.shown,
        )  # fmt: skip
    await connection.close()
    fault = (await verify()).fault
    assert (fault.seq, fault.kind) == (last.seq + 1, "unsigned")
    await log.append([a_row("ours")])
    fault = (await verify()).fault
    assert (fault.seq, fault.kind) == (last.seq + 1, "edited")


async def test_a_log_goes_on_after_its_head_was_removed_and_says_so(service, verify, intruder):
    log = service.parts.audit_log
    await log.append([a_row("ours")])
    await log.append([a_row("ours")])
    await intruder("delete from identity.audit_head")
    assert await log.append([a_row("ours")]) == 1
    fault = (await verify()).fault
    assert (fault.seq, fault.kind) == (2, "edited")


async def test_ten_thousand_mutations_verify_and_every_tampering_breaks_at_its_row(
    service, admin, settle, verify, intruder
):
    """The load goes through the use case that registers devices; each tampering is undone before the next."""
    parts = service.parts
    register = RegisterDevices(parts.work, InMemoryAccounts(), parts.clock)
    caller = Caller(uuid.UUID(admin.id), uuid.UUID((await admin.call("GET", "/api/profile"))["session_id"]))
    await settle()
    before = (await verify()).rows
    for start in range(0, LOAD, BATCH):
        with request_origin(RequestOrigin("192.0.2.1", f"load-{start}")):
            await register(caller, [DeviceWish(f"load-{number}") for number in range(start, start + BATCH)])
    await settle()
    clean = await verify()
    assert (clean.rows, clean.fault) == (before + LOAD, None)
    assert clean.checkpoints >= LOAD // 1000
    await intruder("create table copy as table identity.audit_log")
    last = clean.rows
    tamperings = {
        "update identity.audit_log set entry = replace(entry, 'device.reg', 'device.rag') where seq = 5000": (
            5000,
            "edited",
        ),
        "update identity.audit_log set actor_name = 'x' where seq = 777": (777, "edited"),
        "update identity.audit_log set outcome = 'failed' where seq = 10000": (10000, "edited"),
        "delete from identity.audit_log where seq = 4321": (4321, "missing"),
        "delete from identity.audit_log where seq between 3 and 9": (3, "missing"),
        "update identity.audit_log set seq = case seq when 600 then -1 else 600 end where seq in (600, 900);"
        "update identity.audit_log set seq = 900 where seq = -1": (600, "misplaced"),
        f"delete from identity.audit_log where seq > {last - 40}": (last - 39, "truncated"),
        f"delete from identity.audit_log where seq = {last}": (last, "truncated"),
        "truncate identity.audit_log": (1, "truncated"),
    }
    for sql, (seq, kind) in tamperings.items():
        await intruder(sql)
        fault = (await verify()).fault
        assert fault is not None, sql
        assert (fault.seq, fault.kind) == (seq, kind), sql
        await intruder("truncate identity.audit_log; insert into identity.audit_log select * from copy")
    await intruder("update identity.audit_head set seq = seq - 1")
    assert (await verify()).fault.kind in {"rewritten", "forged_checkpoint"}
    await intruder("delete from identity.audit_head")
    assert (await verify()).fault.kind == "no_head"


async def test_every_row_is_announced_once_when_it_is_written_as_the_api_shows_it(service, admin) -> None:
    large = AuditEvent(
        id=uuid.uuid4(), at=datetime.now(UTC), service="sync", actor=AuditActor(kind="service", id="sync"), action="x.done",
        resource=AuditResource(type="x"), outcome=AuditOutcome.SUCCESS, after={"text": "ü" * 20_000},
    )  # fmt: skip
    small = large.model_copy(update={"id": uuid.uuid4(), "after": {"text": "ü"}})
    log = service.parts.audit_log
    assert await log.append([small, large]) == 2
    assert await log.append([large, small]) == 0
    async with service.parts.database.read() as session:
        rows = await session.execute(outbox.select().where(outbox.c.stream == AUDIT_LOG_STREAM).order_by(outbox.c.id))
        told = [json.loads(row.entry) for row in rows]
    ours = [row for row in told if row["action"] == "x.done"]
    assert [row["id"] for row in ours] == [str(small.id), str(large.id)]
    assert [row["is_cut"] for row in ours] == [False, True]
    assert max(len(json.dumps(row)) for row in ours) <= MAX_ENTRY_BYTES
    shown = (await admin.call("GET", "/api/audit?action=x.done", status=200))["items"]
    assert {name: value for name, value in ours[0].items() if name != "is_cut"} == shown[-1]
