"""`pulse history` and `pulse export`: stored readings on the screen or in a file, over the REST API as the administrator."""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Final

import httpx
import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from pulse_local.api_client import ApiClient, ApiError
from pulse_local.commands.display import err, out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import StackError
from pulse_local.stack_file import StackFile

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_POLL_SECONDS: Final = 0.5
_EXPORT: Final = "/api/telemetry/export"


class Shown(StrEnum):
    """How `pulse history` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class FileFormat(StrEnum):
    """What `pulse export` writes."""

    CSV = "csv"
    NDJSON = "ndjson"


Devices = Annotated[list[str], typer.Option("--device", "-d", help="A device's id; may be repeated.")]
Metrics = Annotated[list[str] | None, typer.Option("--metric", "-m", help="May be repeated; all unless given.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="ISO 8601, or so long ago: 90s, 15m, 24h, 7d, 4w.")]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="As --from; now unless given.")]
Interval = Annotated[str | None, typer.Option("--interval", "-i", help="10s, 5m, 1h, 1d, 1w, 1mo: one row for each.")]
Aggregates = Annotated[
    list[str] | None,
    typer.Option("--agg", help="avg, min, max, sum, count, first, last, median, difference; may be repeated."),
]
TimeZone = Annotated[str, typer.Option("--tz", help="Whose days, and in which times are shown.")]


def history(  # noqa: PLR0913, PLR0917 -- the options of a command, each by name
    device: Devices,
    metric: Metrics = None,
    since: From = "24h",
    to: To = None,
    interval: Interval = None,
    agg: Aggregates = None,
    fill: Annotated[str, typer.Option(help="null, previous, linear or none.")] = "null",
    max_points: Annotated[
        int | None, typer.Option(min=2, help="As many points of each series as a chart needs.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Single readings shown, the newest.")] = 50,
    tz: TimeZone = "UTC",
    shown: Annotated[Shown, typer.Option("--format", "-f")] = Shown.TABLE,
    data: Data = DEFAULT,
) -> None:
    """Show stored readings: one by one, or by interval."""
    parameters = _asked(device, metric, since, to) | {"tz": tz}
    is_series = interval is not None or agg is not None or max_points is not None
    if is_series:
        parameters |= {"fill": fill} | ({"interval": interval} if interval else {}) | ({"agg": agg} if agg else {})
        parameters |= {"max_points": str(max_points)} if max_points else {}
    with _client(data) as api:
        found = api.history(parameters) if is_series else _newest(api, parameters, limit)
    if shown is Shown.JSON:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    columns, rows = _series_rows(found) if is_series else _reading_rows(found)
    if shown is Shown.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([columns, *rows])
    else:
        _show(columns, rows, found)


def export(  # noqa: PLR0913, PLR0917 -- the options of a command, each by name
    device: Devices,
    metric: Metrics = None,
    since: From = "24h",
    to: To = None,
    interval: Interval = None,
    agg: Aggregates = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to; a name of its own here unless given; - is standard output."),
    ] = None,
    file_format: Annotated[FileFormat, typer.Option("--format", "-f")] = FileFormat.CSV,
    wide: Annotated[bool, typer.Option("--wide", help="A column for each metric.")] = False,
    separator: Annotated[str, typer.Option(help="comma, semicolon or tab.")] = "comma",
    decimal: Annotated[str, typer.Option(help="point or comma, in numbers.")] = "point",
    bom: Annotated[bool, typer.Option("--bom", help="A byte order mark, by which a spreadsheet knows UTF-8.")] = False,
    tz: TimeZone = "UTC",
    background: Annotated[
        bool, typer.Option("--background", help="Have it made first: for very many readings.")
    ] = False,
    data: Data = DEFAULT,
) -> None:
    """Write stored readings to a file; its name is printed when it is whole."""
    asked: dict[str, Any] = _asked(device, metric, since, to) | {"tz": tz, "format": file_format.value}
    asked |= {"layout": "wide" if wide else "long", "separator": separator, "decimal": decimal}
    with _client(data) as api:
        if background:
            if interval or agg:
                raise StackError("not_in_background", "Intervals are not exported in the background.", "Leave one out.")
            path, parameters = _made(api, asked | {"bom": bom}), None
        else:
            asked |= ({"interval": interval} if interval else {}) | ({"agg": agg} if agg else {})
            path, parameters = _EXPORT, asked | {"bom": str(bom).lower()}
        with api.download(path, parameters) as answer:
            written = _write(answer, output)
    if written is not None:
        typer.echo(str(written))


def _client(data: Path) -> ApiClient:
    return ApiClient(StackFile.read(DataDirectory.at(data).stack_file))


def _asked(device: list[str], metric: list[str] | None, since: str, to: str | None) -> dict[str, str | list[str]]:
    asked: dict[str, str | list[str]] = {"device_id": device, "from": _time(since)}
    return asked | ({"metric": metric} if metric else {}) | ({"to": _time(to)} if to else {})


def _time(given: str) -> str:
    """Return a time that is given as so long ago; any other as it is, which the gateway checks."""
    found = _AGO.fullmatch(given)
    if found is None:
        return given
    return (datetime.now(UTC) - timedelta(seconds=int(found[1]) * _UNITS[found[2]])).isoformat()


def _newest(api: ApiClient, parameters: dict[str, str | list[str]], limit: int) -> dict[str, Any]:
    """Return the newest readings, page by page."""
    items: list[Any] = []
    page: dict[str, Any] = {}
    while len(items) < limit:
        more = {"limit": str(min(limit - len(items), 1_000))}
        page = api.history(parameters | more | ({"cursor": page["next_cursor"]} if page else {}))
        items += page["items"]
        if page["next_cursor"] is None:
            break
    return page | {"items": items}


def _reading_rows(found: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    columns = ["device_id", "metric", "recorded_at", "value", "quality"]
    return columns, [[item[column] for column in columns] for item in found["items"]]


def _series_rows(found: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(found["tz"])
    columns = ["device_id", "metric", "from", *(found["series"][0]["columns"][1:] if found["series"] else [])]
    rows = [
        [series["device_id"], series["metric"], _local(point[0], zone), *point[1:]]
        for series in found["series"]
        for point in series["points"]
    ]
    return columns, rows


def _local(at_ms: int, zone: Any) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")


def _show(columns: Sequence[str], rows: Iterable[Sequence[Any]], found: dict[str, Any]) -> None:
    table = Table()
    for column in columns:
        table.add_column(column, no_wrap=column in {"from", "recorded_at"})
    for row in rows:
        table.add_row(*("" if cell is None else escape(_plain(cell)) for cell in row))
    out.print(table)
    sources = sorted({series["source"] for series in found.get("series", ())})
    if sources:
        out.print(f"every {found['interval'] or 'point thinned'}, read from {', '.join(sources)}", style="dim")
    for skipped in found.get("skipped", ()):
        err.print(
            f"[yellow]left out[/] {escape(skipped['device_id'])} {escape(skipped['metric'])}: {escape(skipped['reason'])}"
        )


def _plain(cell: Any) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _made(api: ApiClient, asked: dict[str, Any]) -> str:
    """Have a file made in the background, show how far it is, and return where it is; interrupted, it is cancelled."""
    job = api.ask_for_export(asked)
    path = f"/api/telemetry/exports/{job['id']}"
    try:
        with _progress(TextColumn("{task.completed:,.0f} of {task.total:,.0f} readings")) as (progress, task):
            while job["state"] in {"queued", "running"}:
                progress.update(task, completed=job["rows_done"], total=max(1, job["rows_estimated"]))
                time.sleep(_POLL_SECONDS)
                job = api.export_state(job["id"])
    except KeyboardInterrupt:
        api.delete_export(job["id"])
        raise
    if job["state"] == "failed":
        raise ApiError(job["problem"]["code"], job["problem"]["message"])
    return f"{path}/file"


def _write(answer: httpx.Response, output: Path | None) -> Path | None:
    """Write an answer where it belongs; a file has its name only when it is whole."""
    if output == Path("-"):
        for data in answer.iter_bytes():
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return None
    target = output or Path(_name(answer))
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            _copy(answer, file)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _copy(answer: httpx.Response, file: IO[bytes]) -> None:
    size = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
    with _progress(DownloadColumn(), TransferSpeedColumn()) as (progress, task):
        progress.update(task, total=size)
        for data in answer.iter_bytes():
            file.write(data)
            progress.advance(task, len(data))


def _name(answer: httpx.Response) -> str:
    found = re.search(r'filename="([A-Za-z0-9._-]+)"', answer.headers.get("content-disposition", ""))
    return found[1] if found else "export"


@contextmanager
def _progress(*columns: Any) -> Iterator[tuple[Progress, TaskID]]:
    with Progress(
        SpinnerColumn(), BarColumn(), *columns, console=err, transient=True, disable=not err.is_terminal
    ) as progress:
        yield progress, progress.add_task("export", total=None)
