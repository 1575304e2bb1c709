"""`/api/report-schedules`: sent once, by one gateway, with the rights of now; what did not work is tried again and seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pulse_chassis.clock import ManualClock
from pulse_chassis.database import Database
from pulse_chassis.mail import MailServer, mail_sender
from pulse_gateway.storage.pool import ReadPool
from pulse_gateway.storage.published_state import PostgresPublishedState
from pulse_gateway.storage.report_data import PostgresReportData
from pulse_gateway.storage.schedule_store import PostgresScheduleStore
from pulse_gateway.storage.series_snapshot import PostgresSeriesReader
from pulse_gateway.storage.tables import outbox
from pulse_gateway.use_cases.make_report import MakeReport
from pulse_gateway.use_cases.send_reports import SendReports

WISH = {
    "name": "Night", "kind": "offline-events", "attached_as": "csv", "every": "day", "at": "07:00",
    "tz": "Europe/Berlin", "receivers": ["night@example.com", "day@example.com"],
}  # fmt: skip
LONG_AGO = datetime(2026, 11, 10, 12, tzinfo=UTC)


def mail_of(inbox) -> dict[str, Any]:
    return {"mail_host": "127.0.0.1", "mail_port": inbox.port, "mail_tls": "none", "mail_from": "plant@example.com"}


@pytest.fixture
async def owner(world):
    user = await world.user("operator")
    await world.device("pump-1", user)
    await world.db.execute("truncate gateway.report_schedule, telemetry.offline_period cascade")
    return user


@pytest.fixture
async def sender(world, mail_inbox, owner) -> AsyncIterator[Any]:
    """What a gateway sends with, with a clock of its own: as many of them as a test wants."""

    @asynccontextmanager
    async def open_sender(gateway, clock: ManualClock):
        database = Database(world.urls["pulse_gateway"], pool_size=3, application_name="test", outbox=outbox)
        pool = ReadPool(world.settings().database_url)
        make = MakeReport(PostgresReportData(pool), PostgresSeriesReader(pool), gateway.gateway.desk.state, clock)
        mail = mail_sender(MailServer("127.0.0.1", mail_inbox.port, "plant@example.com", tls="none"))
        try:
            yield SendReports(PostgresScheduleStore(database), make, PostgresPublishedState(pool), mail, clock)
        finally:
            await pool.close()
            await database.dispose()

    return open_sender


async def add(gateway, user, status: int = 201, **fields: Any) -> Any:
    async with gateway.http(user) as http:
        answer = await http.post("/api/report-schedules", json=WISH | fields)
    assert answer.status_code == status, answer.text
    return answer.json()


async def sendings(gateway, user, schedule: Any) -> list[dict[str, Any]]:
    async with gateway.http(user) as http:
        return (await http.get(f"/api/report-schedules/{schedule['id']}/sendings")).json()["items"]


async def overdue(world, since: datetime = LONG_AGO) -> None:
    """Let every schedule have become due then."""
    await world.db.execute("update gateway.report_schedule set next_at = $1", since)


async def test_a_report_that_became_due_while_nothing_ran_arrives_once_through_a_real_server(
    world, owner, mail_inbox
) -> None:
    async with world.gateway() as gateway:
        schedule = await add(gateway, owner)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await world.db.execute(
        "insert into telemetry.offline_period (client_id, started_at, ended_at, reason)"
        " select 'pump-1', $1::timestamptz - n * interval '1 day', $1::timestamptz - n * interval '1 day', '=1' || n"
        " from generate_series(0, 20) n",
        today - timedelta(hours=12),
    )
    await overdue(world)
    async with world.gateway(**mail_of(mail_inbox)) as one, world.gateway(**mail_of(mail_inbox)):
        await mail_inbox.wait_for(1)
        async with asyncio.timeout(10):
            while (await sendings(one, owner, schedule))[0]["state"] != "sent":
                await asyncio.sleep(0.01)
        told = await sendings(one, owner, schedule)
        async with one.http(owner) as http:
            kept = (await http.get(f"/api/report-schedules/{schedule['id']}")).json()
    assert mail_inbox.asked == 1, "of ten missed reports the newest, by one of two gateways"
    (mail,) = mail_inbox.mails
    assert mail_inbox.receivers == [["night@example.com", "day@example.com"]]
    assert mail["Subject"] == "Night: Offline events"
    assert "Events: 1" in mail.get_body(("plain",)).get_content()
    (attached,) = mail.iter_attachments()
    assert attached.get_content_type() == "text/csv"
    assert "'=1" in attached.get_content()
    assert [(s["state"], s["attempts"], s["rows"], s["code"]) for s in told] == [("sent", 1, 1, None)]
    assert datetime.fromisoformat(kept["next_at"]) > datetime.now(UTC)
    entries = await world.db.fetch("select entry from gateway.outbox where event_id is not null")
    assert any(b'"report.sent"' in row["entry"] for row in entries)


async def test_of_many_senders_each_report_is_sent_by_one(world, owner, mail_inbox, sender) -> None:
    clock = ManualClock(datetime.now(UTC))
    async with world.gateway() as gateway:
        for number in range(12):
            await add(gateway, owner, name=f"n{number}")
        await overdue(world)
        async with sender(gateway, clock) as one, sender(gateway, clock) as two, sender(gateway, clock) as three:
            await asyncio.gather(one(), two(), three())
            await asyncio.gather(one(), two(), three())
    assert sorted(mail["Subject"] for mail in mail_inbox.mails) == sorted(
        f"n{number}: Offline events" for number in range(12)
    )
    assert len({mail["Message-ID"] for mail in mail_inbox.mails}) == 12


async def test_what_did_not_work_is_tried_again_less_and_less_often_and_then_given_up(
    world, owner, mail_inbox, sender
) -> None:
    clock = ManualClock(datetime.now(UTC))
    mail_inbox.refusal = "451 later"
    async with world.gateway() as gateway, sender(gateway, clock) as send:
        far = datetime.now(ZoneInfo(WISH["tz"])) + timedelta(hours=12)  # the next report is not due meanwhile
        schedule = await add(gateway, owner, at=f"{far:%H:%M}")
        await overdue(world)
        waited = []
        for _ in range(6):
            await send()
            (told,) = await sendings(gateway, owner, schedule)
            if told["try_at"] is not None:
                after = datetime.fromisoformat(told["try_at"]) - clock.now()
                waited.append(round(after.total_seconds() / 60))
                clock.advance(after.total_seconds())
        failed = await sendings(gateway, owner, schedule)
        mail_inbox.refusal = None
        clock.advance(2 * 86_400)
        await send()
        later = await sendings(gateway, owner, schedule)
    assert waited == [1, 5, 15, 60, 240]
    assert [(s["state"], s["attempts"], s["code"]) for s in failed] == [("failed", 6, "mail_refused")]
    assert [s["state"] for s in later] == ["sent", "failed"]
    assert len(mail_inbox.mails) == 1


async def test_what_a_server_refuses_for_ever_is_not_tried_again(world, owner, mail_inbox, sender) -> None:
    clock = ManualClock(datetime.now(UTC))
    mail_inbox.refusal = "554 never"
    async with world.gateway() as gateway, sender(gateway, clock) as send:
        schedule = await add(gateway, owner)
        await overdue(world)
        await send()
        clock.advance(3600)
        await send()
        (told,) = await sendings(gateway, owner, schedule)
    assert (told["state"], told["attempts"], mail_inbox.asked) == ("failed", 1, 1)


async def test_an_attempt_that_died_with_its_process_is_made_by_another(world, owner, mail_inbox, sender) -> None:
    clock = ManualClock(datetime.now(UTC))
    async with world.gateway() as gateway, sender(gateway, clock) as send:
        await add(gateway, owner)
        await overdue(world)
        await send._open_due()
        assert await send._claim() is not None, "and then the process dies"
        await send()
        assert mail_inbox.asked == 0, "it may still be at it"
        clock.advance(601)
        await send()
    assert mail_inbox.asked == 1


@pytest.mark.parametrize("loss", ["role", "inactive", "device"])
async def test_the_rights_of_the_owner_count_as_they_are_when_it_is_sent(
    world, owner, mail_inbox, sender, loss: str
) -> None:
    clock = ManualClock(datetime.now(UTC))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await world.db.execute(
        "insert into telemetry.offline_period (client_id, started_at, ended_at, reason) values ('pump-1', $1, $1, 'x')",
        yesterday,
    )
    changes = {
        "role": "delete from identity.user_roles where user_id = $1",
        "inactive": "update identity.users set is_active = false where id = $1",
        "device": "update identity.devices set owner_id = null where owner_id = $1",
    }
    async with world.gateway() as gateway, sender(gateway, clock) as send:
        schedule = await add(gateway, owner)
        await overdue(world)
        await world.db.execute(changes[loss], owner.id)
        await send()
        rows = await world.db.fetch("select state, code, rows from gateway.report_sending")
    assert schedule["is_active"] is True
    if loss == "device":
        assert [tuple(row) for row in rows] == [("sent", None, 0)]
    else:
        codes = {"role": "forbidden", "inactive": "user_inactive"}
        assert [tuple(row) for row in rows] == [("refused", codes[loss], None)]
        assert mail_inbox.asked == 0


async def test_a_schedule_is_kept_for_one_person_and_by_version(world, owner) -> None:
    stranger, viewer, admin = await world.user("operator"), await world.user("viewer"), await world.user("admin")
    async with world.gateway() as gateway, gateway.http(owner) as http, gateway.http(stranger) as other:
        made = await add(gateway, owner, every="month", day=31, device_ids=["pump-1"], kind="device-health")
        url = f"/api/report-schedules/{made['id']}"
        assert (await http.get(url)).headers["etag"] == '"1"'
        answers = [
            await other.get(url), await other.put(url, json=WISH, headers={"If-Match": "*"}),
            await other.delete(url, headers={"If-Match": "*"}), await other.post(url + "/send"),
            await other.get(url + "/sendings"),
        ]  # fmt: skip
        assert [answer.status_code for answer in answers] == [404] * 5
        assert (await http.put(url, json=WISH)).status_code == 428
        assert (await http.put(url, json=WISH, headers={"If-Match": '"7"'})).status_code == 412
        off = await http.put(url, json=WISH | {"is_active": False}, headers={"If-Match": '"1"'})
        assert (off.json()["next_at"], off.json()["is_active"], off.headers["etag"]) == (None, False, '"2"')
        now = await http.post(url + "/send")
        assert (now.status_code, now.json()["state"]) == (202, "waiting")
        assert (await http.get("/api/report-schedules")).json()["is_mail_configured"] is False
        # What they may not read, nobody has sent to them.
        await add(gateway, owner, 403, name="audit", kind="audit")
        await add(gateway, viewer, 403)
        await add(gateway, admin, kind="audit")
        await add(gateway, owner, 409)
        assert (await http.delete(url, headers={"If-Match": "*"})).status_code == 204
        assert (await http.get("/api/report-schedules")).json()["items"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"receivers": []}, {"receivers": ["nobody"]}, {"receivers": ["a@b.de", "A@b.de"]}, {"at": "25:00"},
        {"receivers": ["a@b.de\r\nBcc: c@d.de"]}, {"tz": "Mars/Base"}, {"every": "hour"}, {"weekday": 8}, {"day": 0},
        {"kind": "weather"}, {"name": ""}, {"user_id": "x"}, {"attached_as": "pdf"},
    ],
)  # fmt: skip
async def test_what_cannot_be_a_schedule_is_refused(world, owner, wrong: dict[str, Any]) -> None:
    async with world.gateway() as gateway:
        await add(gateway, owner, 422, **wrong)
