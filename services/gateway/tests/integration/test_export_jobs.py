"""Exports in the background: the same file as a streamed one, through restarts, for its owner only, and not for ever."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pulse_gateway.domain.export_job import read_range
from pulse_gateway.storage.export_copy import PostgresExportCopy

PATH = "/api/telemetry/exports"
START = datetime(2026, 10, 1, tzinfo=UTC)
BODY = {"device_id": ["dev-1"], "from": START.isoformat(), "to": (START + timedelta(minutes=10)).isoformat()}
ROWS = 500


@pytest.fixture
async def owner(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A device with a reading a second, exported in ten pieces of a minute; processes look for work all the time."""
    monkeypatch.setattr("pulse_gateway.domain.export.PIECE_ROWS", 50)
    monkeypatch.setattr("pulse_gateway.use_cases.run_exports.POLL_SECONDS", 0.05)
    user = await world.user("operator")
    await world.device("dev-1", user)
    await world.store("dev-1", "a", *range(ROWS), start_ms=int(START.timestamp() * 1000))
    await world.roll_up()
    await world.db.execute("truncate gateway.export_job cascade")
    return user


async def ended(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            job: dict[str, Any] = (await http.get(f"{PATH}/{job_id}")).json()
            if job["state"] in {"ready", "failed"}:
                return job
            await asyncio.sleep(0.02)


async def ask(http: httpx.AsyncClient, **more: Any) -> str:
    answer = await http.post(PATH, json=BODY | more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_the_file_is_the_one_that_would_be_streamed(world, owner) -> None:
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job = await ended(http, await ask(http))
        file = await http.get(f"{PATH}/{job['id']}/file")
        streamed = await http.get("/api/telemetry/export", params=BODY)
        part = await http.get(f"{PATH}/{job['id']}/file", headers={"Range": "bytes=100-299"})
        behind = await http.get(f"{PATH}/{job['id']}/file", headers={"Range": f"bytes={10**9}-"})
        listed = (await http.get(PATH)).json()["items"]
    assert (job["state"], job["rows_done"], job["rows_estimated"]) == ("ready", ROWS, ROWS)
    assert file.content == streamed.content
    assert file.headers["content-length"] == str(job["size_bytes"])
    assert file.headers["content-disposition"] == streamed.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, file.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{job['size_bytes']}"
    assert behind.status_code == 416
    assert [item["id"] for item in listed] == [job["id"]]
    kept = await world.db.fetchval("select expires_at - ended_at from gateway.export_job")
    assert kept == timedelta(hours=24)


async def test_a_gateway_that_dies_leaves_what_another_one_goes_on_with(world, owner, monkeypatch) -> None:
    whole = PostgresExportCopy.copy
    copied: list[int] = []
    stuck = asyncio.Event()

    async def first_three(self: Any, series: Any, form: Any, piece: Any, sink: Any) -> int:
        if len(copied) == 3:
            stuck.set()
            await asyncio.Event().wait()
        copied.append(piece.start_us)
        return await whole(self, series, form, piece, sink)

    async def counted(self: Any, series: Any, form: Any, piece: Any, sink: Any) -> int:
        copied.append(piece.start_us)
        return await whole(self, series, form, piece, sink)

    monkeypatch.setattr(PostgresExportCopy, "copy", first_three)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job_id = await ask(http)
        await asyncio.wait_for(stuck.wait(), 20)
        progress = (await http.get(f"{PATH}/{job_id}")).json()
        early = await http.get(f"{PATH}/{job_id}/file")
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    assert progress["state"] == "running"
    assert 0 < progress["rows_done"] < ROWS
    await world.db.execute("update gateway.export_job set lease_until = now() - interval '1 s'")
    monkeypatch.setattr(PostgresExportCopy, "copy", counted)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job = await ended(http, job_id)
        file = await http.get(f"{PATH}/{job_id}/file")
        streamed = await http.get("/api/telemetry/export", params=BODY)
    assert (job["state"], job["rows_done"]) == ("ready", ROWS)
    assert file.content == streamed.content
    assert copied[:10] == sorted(set(copied[:10])), "a piece that was committed is not read again"


async def test_what_never_comes_to_its_end_fails_and_says_so(world, owner) -> None:
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job_id = await ask(http)
        await ended(http, job_id)
        await world.db.execute(
            "update gateway.export_job set state = 'running', attempts = 5, lease_until = now() - interval '1 s',"
            " expires_at = null, ended_at = null"
        )
        job = await ended(http, job_id)
    assert (job["state"], job["problem"]["code"]) == ("failed", "export_failed")


async def test_deleting_ends_the_work_and_the_file(world, owner, monkeypatch) -> None:
    whole = PostgresExportCopy.copy
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def waiting(self: Any, series: Any, form: Any, piece: Any, sink: Any) -> int:
        begun.set()
        await go_on.wait()
        return await whole(self, series, form, piece, sink)

    monkeypatch.setattr(PostgresExportCopy, "copy", waiting)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job_id = await ask(http)
        await asyncio.wait_for(begun.wait(), 20)
        assert (await http.delete(f"{PATH}/{job_id}")).status_code == 204
        go_on.set()
        assert (await http.get(f"{PATH}/{job_id}")).status_code == 404
        assert (await ended(http, await ask(http)))["state"] == "ready"
    assert await world.db.fetchval("select count(distinct job_id) from gateway.export_chunk") == 1


async def test_nobody_else_sees_it_and_who_lost_the_device_cannot_download_it(world, owner) -> None:
    stranger = await world.user("admin")
    async with world.gateway() as gateway, gateway.http(owner) as http, gateway.http(stranger) as other:
        job = await ended(http, await ask(http))
        for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
            assert (await other.request(method, f"{PATH}/{job['id']}{path}")).status_code == 404
        assert (await other.get(PATH)).json()["items"] == []
        await world.db.execute("update identity.devices set owner_id = null where id = 'dev-1'")
        await world.registered("dev-1")
        async with asyncio.timeout(10):
            while (await http.get(f"{PATH}/{job['id']}/file")).status_code != 404:
                await asyncio.sleep(0.02)


async def test_there_are_bounds_and_the_same_request_is_one_export(world, owner, monkeypatch) -> None:
    async def never(self: Any, *_: Any) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(PostgresExportCopy, "copy", never)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        answers = [await http.post(PATH, json=BODY, headers={"Idempotency-Key": "one"}) for _ in range(2)]
        more = [await http.post(PATH, json=BODY) for _ in range(3)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert [answer.status_code for answer in more] == [202, 202, 429]
    assert more[-1].json()["code"] == "too_many_exports"


async def test_what_expired_is_gone(world, owner) -> None:
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job = await ended(http, await ask(http))
        await world.db.execute("update gateway.export_job set expires_at = now() - interval '1 s'")
        assert (await ended(http, await ask(http)))["state"] == "ready"
        assert (await http.get(f"{PATH}/{job['id']}")).status_code == 404
    assert await world.db.fetchval("select count(*) from gateway.export_job") == 1


async def test_an_export_is_told_to_the_audit_log_with_what_was_asked_for(world, owner) -> None:
    async with world.gateway() as gateway, gateway.http(owner) as http:
        job_id = await ask(http)
        await ended(http, job_id)
        await http.get(f"{PATH}/{job_id}/file")
        await http.delete(f"{PATH}/{job_id}")
    told = [str(row["entry"]) for row in await world.db.fetch("select entry from gateway.outbox")]
    assert any("telemetry.export" in entry and job_id in entry and "dev-1" in entry for entry in told)
    assert any("telemetry.export" in entry and '"device"' in entry for entry in told)
    assert any("export.deleted" in entry and job_id in entry for entry in told)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None), ("bytes=0-9", (0, 9)), ("bytes=90-", (90, 99)), ("bytes=-10", (90, 99)), ("bytes=5-500", (5, 99)),
        ("bytes=0-1,5-6", None), ("lines=0-1", None), ("bytes=x-y", None), ("bytes=-", None),
    ],
)  # fmt: skip
def test_a_range_is_one_stretch_of_bytes_or_the_whole(header: str | None, expected: tuple[int, int] | None) -> None:
    found = read_range(header, 100)
    assert (None if found is None else (found.first, found.last)) == expected


def test_a_range_outside_of_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        read_range("bytes=100-", 100)
