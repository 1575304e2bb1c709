"""Exports: every reading once, cells that a spreadsheet takes for what they are, and no part that looks like the whole."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

PATH = "/api/telemetry/export"
START = datetime(2026, 10, 24, 20, tzinfo=UTC)
NASTY = ["=1+1", "+2", "-3", "@x", "\tt", "\rr", 'say "hi", you', "line\nbreak", "plain", "läuft", "\x01odd\x01", "a;b"]


async def put(world: Any, device: str, metric: str, rows: list[tuple[float, Any]]) -> None:
    """Store readings at seconds after START; each value as what it is."""
    series = await world.db.fetchval(
        "insert into telemetry.series (client_id, metric_key) values ($1, $2) returning id", device, metric
    )

    def fields(value: Any) -> tuple[Any, ...]:
        if isinstance(value, bool):
            return None, None, value, None
        if isinstance(value, str):
            return None, None, None, value
        return float(value), value if isinstance(value, int) and abs(value) > 2**53 else None, None, None

    await world.db.executemany(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, whole, flag, text, series_id, epoch, suspect)"
        " values ($1, $1, $2, $3, $4, $5, $6, $7, 1, false)",
        [(START + timedelta(seconds=at), seq, *fields(value), series) for seq, (at, value) in enumerate(rows, start=1)],
    )


@pytest.fixture
async def owner(world: Any) -> Any:
    """A device with numbers across the night in which clocks are set back, and with texts."""
    user = await world.user("operator")
    await world.device("dev-1", user)
    await put(world, "dev-1", "a", [(n * 600 + 0.25, n / 4) for n in range(60)])
    await put(world, "dev-1", "-b", [(0.25, True), (600.25, 2**60 + 1)])
    await put(world, "dev-1", "text", [(n, text) for n, text in enumerate(NASTY)])
    await world.roll_up()
    return user


def asked(**more: Any) -> dict[str, Any]:
    return {"device_id": "dev-1", "from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()} | more


async def get(world: Any, user: Any, **more: Any) -> httpx.Response:
    async with world.gateway() as gateway, gateway.http(user) as http:
        return await http.get(PATH, params=asked(**more))


def table(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


async def test_every_reading_is_a_line_with_its_local_time(world, owner) -> None:
    answer = await get(world, owner, metric="a", tz="Europe/Berlin")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="pulse_dev-1_a_20261024T2000_20261025T2000.csv"'
    )
    lines = table(answer.text)
    assert lines[0] == ["device_id", "metric", "recorded_at", "value", "quality"]
    assert [(line[0], line[1], float(line[3]), line[4]) for line in lines[1:]] == [
        ("dev-1", "a", n / 4, "good") for n in range(60)
    ]
    times = [datetime.fromisoformat(line[2]) for line in lines[1:]]
    assert times == [START + timedelta(seconds=n * 600 + 0.25) for n in range(60)]
    assert lines[1][2] == "2026-10-24T22:00:00.25+02:00"
    assert lines[-1][2] == "2026-10-25T06:50:00.25+01:00"


async def test_no_text_becomes_a_formula_and_every_text_stays_in_its_cell(world, owner) -> None:
    answer = await get(world, owner, metric="text", bom=True, separator="semicolon", decimal="comma")
    assert answer.text.startswith("\ufeffdevice_id;")
    cells = [line[3] for line in table(answer.text[1:], ";")[1:]]
    assert cells == [
        "'=1+1", "'+2", "'-3", "'@x", "'\tt", "'\rr", 'say "hi", you', "line\nbreak", "plain", "läuft", "odd", "a;b",
    ]  # fmt: skip


async def test_lines_of_json_keep_every_value_and_end_with_their_number(world, owner) -> None:
    answer = await get(world, owner, format="ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1] == {"end": {"rows": 74}}
    values = {name: [line["value"] for line in lines[:-1] if line["metric"] == name] for name in ("a", "-b", "text")}
    assert values["-b"] == [True, 2**60 + 1]
    assert values["text"] == NASTY
    assert values["a"] == [n / 4 for n in range(60)]


async def test_wide_has_a_line_for_each_moment_and_a_column_for_each_metric(world, owner) -> None:
    answer = await get(world, owner, metric="a,-b", layout="wide", decimal="comma", separator="tab")
    lines = table(answer.text, "\t")
    assert lines[0] == ["device_id", "recorded_at", "'-b", "a"]
    assert lines[1] == ["dev-1", "2026-10-24T20:00:00.25Z", "true", "0"]
    assert lines[2] == ["dev-1", "2026-10-24T20:10:00.25Z", str(2**60 + 1), "0,25"]
    assert lines[3] == ["dev-1", "2026-10-24T20:20:00.25Z", "", "0,5"]
    assert len(lines) == 61
    objects = (await get(world, owner, metric="a,-b", layout="wide", format="ndjson")).text.splitlines()
    assert json.loads(objects[0]) == {
        "device_id": "dev-1", "recorded_at": "2026-10-24T20:00:00.25Z", "metrics": {"-b": True, "a": 0},
    }  # fmt: skip
    assert json.loads(objects[-1]) == {"end": {"rows": 60}}


async def test_intervals_are_exported_like_they_are_told(world, owner) -> None:
    long = table((await get(world, owner, metric="a", interval="6h", agg="count,max", fill="none")).text)
    assert long[0] == ["device_id", "metric", "from", "count", "max"]
    assert long[1] == ["dev-1", "a", "2026-10-24T18:00:00+00:00", "24", "5.75"]
    wide = table((await get(world, owner, metric="a", interval="6h", layout="wide", fill="none")).text)
    assert wide[:2] == [["device_id", "from", "a"], ["dev-1", "2026-10-24T18:00:00+00:00", "2.875"]]


async def test_wrong_questions_and_foreign_devices_are_refused(world, owner) -> None:
    stranger = await world.user("operator")
    assert (await get(world, stranger)).status_code == 404
    refused = await get(world, owner, decimal="comma")
    assert (refused.status_code, refused.json()["code"]) == (422, "ambiguous_comma")
    assert (await get(world, owner, format="xlsx")).status_code == 422


async def test_what_is_too_large_is_sent_to_the_background(world, owner, monkeypatch) -> None:
    monkeypatch.setattr("pulse_gateway.http.export_routes.MAX_STREAMED_ROWS", 50)
    answer = await get(world, owner)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_rows")
    assert "POST /api/telemetry/exports" in answer.json()["detail"]


async def test_an_export_that_cannot_be_finished_breaks_off(world, owner, monkeypatch) -> None:
    """A client must not take a part for the whole, and the next one finds its place free."""
    from pulse_gateway.storage.export_copy import PostgresExportCopy

    whole = PostgresExportCopy.copy

    async def broken(self: Any, series: Any, form: Any, piece: Any, sink: Any) -> int:
        await whole(self, series, form, piece, sink)
        await sink(b"x" * 200_000)
        raise ConnectionResetError

    monkeypatch.setattr(PostgresExportCopy, "copy", broken)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        for _ in range(5):
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                await http.get(PATH, params=asked())
        monkeypatch.setattr(PostgresExportCopy, "copy", whole)
        assert (await http.get(PATH, params=asked())).status_code == 200


async def test_only_a_few_are_streamed_at_once_and_who_hangs_up_gives_the_place_back(world, owner, monkeypatch) -> None:
    from pulse_gateway.storage.export_copy import PostgresExportCopy

    async def endless(self: Any, series: Any, form: Any, piece: Any, sink: Any) -> int:
        while True:
            await sink(b"x" * 200_000)
            await asyncio.sleep(0)

    async def begin(http: httpx.AsyncClient) -> httpx.Response:
        return await http.send(http.build_request("GET", PATH, params=asked()), stream=True)

    monkeypatch.setattr(PostgresExportCopy, "copy", endless)
    async with world.gateway() as gateway, gateway.http(owner) as http:
        first, second = await begin(http), await begin(http)
        third = await http.get(PATH, params=asked())
        await first.aclose()
        async with asyncio.timeout(10):
            while (again := await begin(http)).status_code == 429:
                await again.aclose()
        await second.aclose()
        await again.aclose()
    assert (third.status_code, third.json()["code"]) == (429, "too_many_exports")
    assert again.status_code == 200


async def test_exporting_is_told_to_the_audit_log(world, owner) -> None:
    await get(world, owner, metric="a")
    told = [str(row["entry"]) for row in await world.db.fetch("select entry from gateway.outbox")]
    assert any("telemetry.export" in entry and "dev-1" in entry for entry in told)
