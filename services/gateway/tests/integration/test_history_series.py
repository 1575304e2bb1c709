"""Series over HTTP: what the raw rows say, from whatever it is read, within bounds that are told."""

import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_gateway.domain.aggregates import Aggregate, Fill
from pulse_gateway.domain.interval import Interval, microseconds
from pulse_gateway.domain.series_query import SeriesQuestion
from pulse_gateway.domain.thinning import Thinning
from pulse_gateway.storage.pool import ReadPool
from pulse_gateway.storage.series_snapshot import PostgresSeriesReader
from pulse_gateway.use_cases.read_series import answer_series

START = datetime(2026, 9, 21, tzinfo=UTC)
PATH = "/api/telemetry/history"
HOUR = 3_600


async def put(world: Any, device: str, metric: str, rows: list[tuple[float, Any]]) -> int:
    """Store readings at seconds after START, with the kind of the last one as that of the metric."""
    series = await world.db.fetchval(
        "insert into telemetry.series (client_id, metric_key) values ($1, $2)"
        " on conflict (client_id, metric_key) do update set metric_key = excluded.metric_key returning id",
        device,
        metric,
    )

    def fields(value: Any) -> tuple[float | None, bool | None, str | None]:
        if isinstance(value, bool):
            return None, value, None
        return (None, None, value) if isinstance(value, str) else (float(value), None, None)

    samples = [
        (START + timedelta(seconds=at), seq, *fields(value), series) for seq, (at, value) in enumerate(rows, start=1)
    ]
    await world.db.executemany(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, flag, text, series_id, epoch, suspect)"
        " values ($1, $1, $2, $3, $4, $5, $6, 1, false)",
        samples,
    )
    if samples:
        at, seq, value, flag, text, _ = samples[-1]
        await world.db.execute(
            "insert into telemetry.latest (series_id, seq, order_at, recorded_at, received_at, value, flag, text, suspect)"
            " values ($1, $2, $3, $3, $3, $4, $5, $6, false) on conflict do nothing",
            series, seq, at, value, flag, text,
        )  # fmt: skip
    return int(series)


def brute(rows: list[tuple[float, float]], low: float, high: float, before: float | None) -> dict[Aggregate, Any]:
    inside = [value for at, value in sorted(rows, key=lambda row: row[0]) if low <= at < high]
    if not inside:
        return dict.fromkeys(Aggregate) | {Aggregate.COUNT: 0}
    return {
        Aggregate.COUNT: len(inside),
        Aggregate.AVG: statistics.fmean(inside),
        Aggregate.SUM: sum(inside),
        Aggregate.MIN: min(inside),
        Aggregate.MAX: max(inside),
        Aggregate.FIRST: inside[0],
        Aggregate.LAST: inside[-1],
        Aggregate.MEDIAN: statistics.median(inside),
        Aggregate.DIFFERENCE: inside[-1] - (inside[0] if before is None else before),
    }


offsets = st.integers(0, 30 * HOUR)
rows_of_numbers = st.lists(st.tuples(offsets, st.integers(-99, 99)), min_size=1, max_size=80)
ranges = st.tuples(offsets, offsets).filter(lambda pair: pair[0] != pair[1]).map(sorted)
aggregates = st.lists(st.sampled_from(list(Aggregate)), min_size=1, max_size=4, unique=True)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows_of_numbers, st.sets(offsets, max_size=4), ranges, st.sampled_from([45, 60, 300, 3600, 7200, 21600]), aggregates
)
async def test_what_is_told_is_what_the_raw_rows_say(world, rows, late, span, step, wanted) -> None:
    await world.db.execute(
        "truncate telemetry.series, telemetry.sample, telemetry.latest, telemetry.rollup_mark, telemetry.rollup_hour_mark"
        " cascade"
    )
    series = await put(world, "dev-1", "a", rows)
    await world.roll_up()
    # Late readings that no roll-up knows, but their marks do.
    more = [(at, 1000.0 + at) for at in late]
    rows = rows + more
    await world.db.executemany(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect)"
        " values ($1, $1, 5000, $2, $3, 1, false)",
        [(START + timedelta(seconds=at), value, series) for at, value in more],
    )
    await world.db.executemany(
        "insert into telemetry.rollup_mark values ($1, date_trunc('minute', $2::timestamptz, 'UTC'), 1)"
        " on conflict do nothing",
        [(series, START + timedelta(seconds=at)) for at in late],
    )
    question = SeriesQuestion(
        device_ids=("dev-1",), metrics=("a",),
        start_us=microseconds(START) + span[0] * 1_000_000, end_us=microseconds(START) + span[1] * 1_000_000,
        zone=UTC, interval=Interval(step, "s"), aggregates=tuple(wanted), fill=Fill.NULL,
        max_points=None, thinning=Thinning.LTTB,
    )  # fmt: skip
    pool = ReadPool(world.settings().database_url)
    try:
        found = await answer_series(question, PostgresSeriesReader(pool))
    finally:
        await pool.close()
    (answer,) = found.answers
    before = None
    assert len(answer.rows) == -(-span[1] // step) - span[0] // step
    for row in answer.rows:
        at = row[0] / 1000 - START.timestamp()
        expected = brute(rows, max(at, span[0]), min(at + step, span[1]), before)
        assert row[1:] == [pytest.approx(expected[a]) if expected[a] is not None else None for a in wanted]
        before = before if expected[Aggregate.LAST] is None else expected[Aggregate.LAST]


async def ask(http: Any, **parameters: Any) -> dict[str, Any]:
    answer = await http.get(PATH, params={"device_id": "dev-1", "from": START.isoformat()} | parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
async def kinds(world: Any) -> Any:
    """A device with a number, a boolean and a text every ten seconds for two hours, all rolled up."""
    user = await world.user("operator")
    await world.device("dev-1", user)
    seconds = range(0, 2 * HOUR, 10)
    await put(world, "dev-1", "number", [(at, at % 60) for at in seconds])
    await put(world, "dev-1", "flag", [(at, at % 20 == 0) for at in seconds])
    await put(world, "dev-1", "text", [(at, f"={at}") for at in seconds])
    await world.roll_up()
    return user


async def test_each_kind_of_metric_is_told_as_what_it_is(world, kinds) -> None:
    to = (START + timedelta(hours=2)).isoformat()
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        hours = await ask(http, interval="1h", agg="avg,max", to=to, metric="number,flag")
        texts = await ask(http, interval="1h", agg=["count", "last"], to=to, metric="text")
        some = await ask(http, interval="1h", agg="avg", to=to)
        days = await ask(http, interval="1d", agg="count,difference", to=to, metric="number", tz="Asia/Kolkata")
        wrong = await http.get(PATH, params={"device_id": "dev-1", "metric": "text", "agg": "avg"})
        chosen = await ask(http, agg="last", to=to, metric="number", max_points=8)
    assert hours["interval"] == "1h"
    assert hours["live"]["topic"] == "telemetry.raw"
    told = {s["metric"]: (s["kind"], s["source"], [p[1:] for p in s["points"]]) for s in hours["series"]}
    assert told == {
        "flag": ("boolean", "hour", [[0.5, 1.0], [0.5, 1.0]]),
        "number": ("number", "hour", [[25.0, 50.0], [25.0, 50.0]]),
    }
    assert [p[1:] for p in texts["series"][0]["points"]] == [[360, "=3590"], [360, "=7190"]]
    assert [s["metric"] for s in some["series"]] == ["flag", "number"]
    assert [s["metric"] for s in some["skipped"]] == ["text"]
    assert [p[1:] for p in days["series"][0]["points"]] == [[720, 50.0]]
    assert datetime.fromtimestamp(days["series"][0]["points"][0][0] / 1000, UTC).hour == 18
    assert wrong.status_code == 422
    assert wrong.json()["code"] == "not_for_this_metric"
    assert "text" in wrong.json()["detail"]
    assert chosen["interval"] == "15m"
    assert len(chosen["series"][0]["points"]) == 8


@pytest.mark.parametrize("downsample", ["lttb", "minmax"])
async def test_a_chart_has_no_more_points_than_asked_for_and_says_what_it_was_read_from(world, downsample) -> None:
    user = await world.user("operator")
    await world.device("dev-1", user)
    series = await put(world, "dev-1", "a", [])
    await world.db.execute(
        "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect)"
        " select $1::timestamptz + n * interval '1 s', now(), n, case n when 70000 then 999 else n % 100 end, $2, 1, false"
        " from generate_series(0, 90000) n",
        START,
        series,
    )
    await world.roll_up()
    to = (START + timedelta(seconds=90_001)).isoformat()
    async with world.gateway() as gateway, gateway.http(user) as http:
        coarse = await ask(http, to=to, max_points=100, downsample=downsample)
        fine = await ask(http, to=to, max_points=1000, downsample=downsample)
        raw = await ask(http, to=(START + timedelta(seconds=600)).isoformat(), max_points=1000, downsample=downsample)
    assert (coarse["series"][0]["source"], coarse["series"][0]["resolution_ms"]) == ("minute", 60_000)
    assert (fine["series"][0]["source"], fine["series"][0]["resolution_ms"]) == ("raw", 22_500)
    assert (raw["series"][0]["source"], raw["series"][0]["resolution_ms"]) == ("raw", 0)
    for answer, most in ((coarse, 100), (fine, 1000)):
        points = answer["series"][0]["points"]
        assert most // 2 < len(points) <= most
        assert max(value for _, value in points) == 999
        assert [at for at, _ in points] == sorted(at for at, _ in points)
    assert [value for _, value in raw["series"][0]["points"]] == [n % 100 for n in range(600)]


async def test_what_would_cost_too_much_is_refused_with_the_number_and_a_way_out(world, kinds, monkeypatch) -> None:
    monkeypatch.setattr("pulse_gateway.use_cases.read_series.MAX_ROWS_READ", 500)
    to = (START + timedelta(hours=2)).isoformat()
    asked = {"device_id": "dev-1", "metric": "number", "from": START.isoformat(), "to": to}
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        median = await http.get(PATH, params=asked | {"interval": "1m", "agg": "median"})
        average = await http.get(PATH, params=asked | {"interval": "1m", "agg": "avg"})
        endless = await http.get(PATH, params=asked | {"from": "2000-01-01T00:00:00Z", "interval": "1s"})
    assert (median.status_code, median.json()["code"]) == (422, "too_many_rows")
    assert "720 rows" in median.json()["detail"]
    assert "shorter range" in median.json()["detail"]
    assert average.status_code == 200
    assert (endless.status_code, endless.json()["code"]) == (422, "too_many_points")


async def test_a_statement_that_takes_too_long_is_a_problem_that_says_so(world, kinds, monkeypatch) -> None:
    monkeypatch.setattr("pulse_gateway.storage.series_snapshot._BEGIN", "set local statement_timeout = '1ms'")
    monkeypatch.setattr("pulse_gateway.storage.series_snapshot._KEPT", "select pg_sleep(1), $1::int[]")
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        answer = await http.get(PATH, params={"device_id": "dev-1", "interval": "1h"})
    assert (answer.status_code, answer.json()["code"]) == (503, "query_too_slow")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"interval": "1y"}, "invalid_request"),
        ({"interval": "0m"}, "invalid_request"),
        ({"agg": "mode"}, "invalid_request"),
        ({"fill": "zero", "agg": "avg"}, "invalid_request"),
        ({"tz": "Mars/Olympus", "agg": "avg"}, "invalid_request"),
        ({"tz": "../etc/passwd", "agg": "avg"}, "invalid_request"),
        ({"max_points": 1}, "invalid_request"),
        ({"from": "2026-01-02", "to": "2026-01-01", "agg": "avg"}, "bad_range"),
        ({"from": "0001-01-01T00:00:00Z", "agg": "avg"}, "bad_range"),
        ({"metric": "flag", "agg": "last", "interval": "1m", "fill": "linear"}, "not_for_this_metric"),
        ({"metric": "text", "max_points": 10}, "not_for_this_metric"),
    ],
)
async def test_wrong_questions_are_told_what_is_wrong(world, kinds, parameters: dict[str, Any], code: str) -> None:
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        answer = await http.get(PATH, params={"device_id": "dev-1"} | parameters)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_somebody_elses_device_is_not_there(world, kinds) -> None:
    stranger = await world.user("operator")
    async with world.gateway() as gateway, gateway.http(stranger) as http:
        for parameters in ({}, {"interval": "1h"}, {"max_points": 5}):
            answer = await http.get(PATH, params={"device_id": "dev-1"} | parameters)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_device")


async def test_looking_is_told_to_the_audit_log(world, kinds) -> None:
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        await ask(http, interval="1h")
    told = [str(row["entry"]) for row in await world.db.fetch("select entry from gateway.outbox")]
    assert any("telemetry.read" in entry and "dev-1" in entry for entry in told)


async def test_pages_of_several_devices_are_one_sequence(world, kinds) -> None:
    await world.device("dev-2", kinds)
    await put(world, "dev-2", "number", [(at + 5, at) for at in range(0, 100, 10)])
    seen, cursor = [], None
    async with world.gateway() as gateway, gateway.http(kinds) as http:
        while True:
            parameters = {"device_id": "dev-1,dev-2", "metric": "number", "order": "asc", "limit": 7}
            parameters |= {"to": (START + timedelta(seconds=100)).isoformat()} | ({"cursor": cursor} if cursor else {})
            body = (await http.get(PATH, params=parameters)).json()
            seen += [(i["ts"], i["device_id"]) for i in body["items"]]
            if (cursor := body["next_cursor"]) is None:
                break
        many = await http.get(PATH, params={"device_id": "dev-1,dev-2", "limit": 5000, "metric": "number"})
    assert len(seen) == 20
    assert seen == sorted(seen)
    assert {device for _, device in seen} == {"dev-1", "dev-2"}
    assert many.status_code == 200
