"""How fast history answers on a full table: a chart of a month, raw pages at depth, exports; each asked of the gateway.

Everything is warm: each question is asked a few times before it is timed. Beside the export stands a plain
`COPY … TO STDOUT` of the same rows, which is what no export can be faster than.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import httpx
import psutil

from pulse_bench.errors import BenchError
from pulse_bench.history_data import METRICS, Dataset
from pulse_bench.stack import Stack, sign_in
from pulse_simulator.gateway_session import GatewayError, GatewaySession

ENVIRONMENT: Final = {"PULSE_RATE_LIMITS": "off"}
POINTS: Final = 1_000
PAGE: Final = 500
WARM_UP: Final = 3
CHARTED: Final = 5
_SAMPLE_SECONDS: Final = 0.05
_COPY: Final = """
select recorded_at, value from telemetry.sample
where series_id = any($1::int[]) and recorded_at >= $2 and recorded_at < $3
"""
_DIFFERENT: Final = """
select count(*) from (
    select bucket, row_count, value_min, value_max, first_value, last_value, round(value_sum::numeric, 6)
    from telemetry.rollup_hour where series_id = $1 and bucket >= $2 and bucket < $3
    except
    select date_trunc('hour', recorded_at, 'UTC'), count(*), min(value), max(value),
           (array_agg(value order by recorded_at))[1], (array_agg(value order by recorded_at desc))[1],
           round(sum(value)::numeric, 6)
    from telemetry.sample where series_id = $1 and recorded_at >= $2 and recorded_at < $3 group by 1
) as different
"""


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of a question that was asked again and again."""

    p50_ms: float
    p95_ms: float
    asked: int


@dataclass(frozen=True, slots=True)
class ExportFigure:
    """One streamed export: what it gave, how fast, and what the gateway's memory did meanwhile."""

    rows: int
    megabytes: float
    rows_per_s: float
    copy_rows_per_s: float
    rss_before_mib: float
    rss_most_mib: float


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """What was read with one number of readings in the table."""

    rows: int
    chart: Times
    page: Times
    export: ExportFigure

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON report."""
        return asdict(self)


async def measure_history(stack: Stack, dataset: Dataset, *, runs: int) -> HistoryFigures:
    """Ask everything of one stack whose table is filled. Raises BenchError."""
    await check_rollups(stack, dataset)
    chart = await measure_charts(stack, dataset, runs=runs)
    page = await measure_pages(stack, dataset, runs=runs)
    return HistoryFigures(dataset.rows, chart, page, await measure_export(stack, dataset))


def history_rows(few: HistoryFigures, many: HistoryFigures) -> list[tuple[str, str, str, str, str]]:
    """Return the lines of the report's table."""

    def times(name: str, one: Times, other: Times, target: str) -> tuple[str, str, str, str, str]:
        ratio = f"{other.p95_ms / one.p95_ms:.2f}"
        shown = [f"p50 {found.p50_ms:.1f}, p95 {found.p95_ms:.1f} ms" for found in (one, other)]
        return name, shown[0], shown[1], ratio, target

    def shown(found: ExportFigure) -> str:
        return f"{found.rows_per_s:,.0f} rows/s ({found.rows:,} rows; COPY alone {found.copy_rows_per_s:,.0f})"

    growth = [f"{f.export.rss_before_mib:.0f} → at most {f.export.rss_most_mib:.0f} MiB" for f in (few, many)]
    return [
        ("readings in the table", f"{few.rows:,}", f"{many.rows:,}", "", ""),
        times("a month of a series as 1,000 points", few.chart, many.chart, "p95 ≤ 150 ms, ratio ≤ 3"),
        times("a raw page behind 29 days", few.page, many.page, "≤ 50 ms, ratio ≤ 3"),
        (
            "export of a day of all series",
            shown(few.export),
            shown(many.export),
            f"{many.export.rows_per_s / few.export.rows_per_s:.2f}",
            "≥ 300,000 rows/s",
        ),
        ("memory of the gateway meanwhile", growth[0], growth[1], "", "flat"),
    ]


async def check_rollups(stack: Stack, dataset: Dataset) -> None:
    """Raise BenchError unless the hours of a day are what its readings say."""
    day = dataset.start + timedelta(days=3)
    owner = await asyncpg.connect(stack.database_url)
    try:
        for series_id in await _series_ids(owner, 2):
            if await owner.fetchval(_DIFFERENT, series_id, day, day + timedelta(days=1)):
                raise BenchError("the roll-ups are not what the readings say")
    finally:
        await owner.close()


async def measure_charts(stack: Stack, dataset: Dataset, *, runs: int) -> Times:
    """Ask for a month of a series as 1,000 points, of a few series in turn."""
    paths = [
        _path(dataset, device=device, metric=f"metric_{1 + n % METRICS}", max_points=POINTS)
        for n, device in enumerate((dataset.devices * CHARTED)[:CHARTED])
    ]

    async def ask(session: GatewaySession, number: int) -> None:
        answer = await session.request("GET", paths[number % len(paths)])
        (series,) = answer["series"]
        if series["source"] != "minute" or not POINTS // 2 < len(series["points"]) <= POINTS:
            raise BenchError(f"the chart has {len(series['points'])} points, read from {series['source']}")

    return await _timed(stack, ask, warm_up=WARM_UP * len(paths), runs=runs)


async def measure_pages(stack: Stack, dataset: Dataset, *, runs: int) -> Times:
    """Follow the cursor page by page, beginning behind 29 days of newer readings."""
    end = dataset.start + timedelta(days=1)
    first = _path(dataset, device=dataset.devices[0], metric="metric_1", limit=PAGE, order="desc", to=end.isoformat())
    cursors: list[str] = []

    async def ask(session: GatewaySession, number: int) -> None:
        if number == 0:
            cursors.clear()
        answer = await session.request("GET", first + "".join(f"&cursor={cursor}" for cursor in cursors[-1:]))
        if len(answer["items"]) != PAGE:
            raise BenchError(f"a page has {len(answer['items'])} readings")
        cursors.append(answer["next_cursor"])

    # Walked once to have it in memory, then timed.
    pages = min(runs, round(timedelta(days=1) / timedelta(seconds=dataset.step_s)) // PAGE - 1)
    return await _timed(stack, ask, warm_up=pages, runs=pages)


async def measure_export(stack: Stack, dataset: Dataset) -> ExportFigure:
    """Stream a day of all series (at most 20 million rows), and copy the same rows without formatting them."""
    day = dataset.start + timedelta(days=10)
    devices = dataset.devices[:200]
    after = day + timedelta(days=1)
    query = {"device_id": ",".join(devices), "from": day.isoformat(), "to": after.isoformat()}
    path = "/api/telemetry/export?" + urlencode(query)
    owner = await asyncpg.connect(stack.database_url, command_timeout=None)
    try:
        ids = await _series_ids(owner, len(devices) * METRICS)
        await _copy_rate(owner, ids, (day, after))  # To have the rows in memory.
        copy_rate = await _copy_rate(owner, ids, (day, after))
    finally:
        await owner.close()
    gateway = psutil.Process(int(stack.service("gateway")["pid"]))
    before = gateway.memory_info().rss
    most = [before]
    watching = asyncio.create_task(_watch(gateway, most))
    rows, size, started = 0, 0, time.perf_counter()
    try:
        async with sign_in(stack) as session, httpx.AsyncClient(timeout=120, trust_env=False) as http:
            headers = {"Authorization": f"Bearer {await session.access_token()}"}
            started = time.perf_counter()
            async with http.stream("GET", stack.gateway_url + path, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise BenchError(f"the export was refused: {(await answer.aread()).decode()}")
                async for data in answer.aiter_raw():
                    rows += data.count(b"\n")
                    size += len(data)
    finally:
        watching.cancel()
    seconds = time.perf_counter() - started
    return ExportFigure(rows - 1, size / 1e6, (rows - 1) / seconds, copy_rate, before / 2**20, max(most) / 2**20)


async def _timed(
    stack: Stack, ask: Callable[[GatewaySession, int], Awaitable[None]], *, warm_up: int, runs: int
) -> Times:
    times = []
    try:
        async with sign_in(stack) as session:
            for number in range(warm_up):
                await ask(session, number)
            for number in range(runs):
                started = time.perf_counter()
                await ask(session, number)
                times.append((time.perf_counter() - started) * 1000)
    except GatewayError as error:
        raise BenchError(f"the gateway did not answer: {error}") from error
    return Times(statistics.median(times), statistics.quantiles(times, n=20)[-1], len(times))


async def _series_ids(owner: asyncpg.Connection[asyncpg.Record], count: int) -> list[int]:
    rows = await owner.fetch(
        "select series_id from telemetry.series_index where client_id like 'bench-%' order by 1 limit $1", count
    )
    return [row["series_id"] for row in rows]


async def _copy_rate(owner: asyncpg.Connection[asyncpg.Record], ids: list[int], day: tuple[object, object]) -> float:
    async def drop(_: bytes) -> None:
        return None

    started = time.perf_counter()
    done = await owner.copy_from_query(_COPY, ids, *day, output=drop, format="csv")
    return int(done.rpartition(" ")[2]) / (time.perf_counter() - started)


async def _watch(process: psutil.Process, most: list[int]) -> None:
    with suppress(psutil.NoSuchProcess):
        while True:
            most.append(process.memory_info().rss)
            await asyncio.sleep(_SAMPLE_SECONDS)


def _path(dataset: Dataset, *, device: str, metric: str, **more: object) -> str:
    query = {
        "device_id": device, "metric": metric, "from": dataset.start.isoformat(), "to": dataset.end.isoformat(),
    }  # fmt: skip
    return "/api/telemetry/history?" + urlencode(query | more)
