"""`pulse history` and `pulse export`: what they ask, what they print, and that a file has its name only when it is whole."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from pulse_local.__main__ import app
from pulse_local.api_client import ApiClient
from pulse_local.commands import telemetry

SERIES = {
    "interval": "1h",
    "tz": "Europe/Berlin",
    "series": [
        {
            "device_id": "PUMP-7", "metric": "heat", "source": "hour", "columns": ["ts", "avg", "count"],
            "points": [[1_790_000_000_000, 20.5, 3], [1_790_003_600_000, None, 0]],
        }
    ],
    "skipped": [{"device_id": "PUMP-7", "metric": "mode", "reason": "of a text there are first, last and count only"}],
}  # fmt: skip
JOB = {"id": "one", "state": "queued", "rows_done": 0, "rows_estimated": 10, "problem": None}
Answer = Callable[[httpx.Request], httpx.Response]


class Gateway:
    """Answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answer: Answer = lambda _: httpx.Response(500)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/auth/login":
            return httpx.Response(200, json={"access_token": "t"})
        self.asked.append(request)
        return self.answer(request)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()

    def client(_data: Path) -> ApiClient:
        api = ApiClient.__new__(ApiClient)
        api._http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(found))
        api._http.headers["Authorization"] = "Bearer t"
        return api

    monkeypatch.setattr(telemetry, "_client", client)
    monkeypatch.setattr(telemetry, "_POLL_SECONDS", 0.001)
    return found


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--device", "PUMP-7"], terminal_width=200)


def test_intervals_are_asked_for_and_shown_in_the_zone(gateway: Gateway) -> None:
    gateway.answer = lambda _: httpx.Response(200, json=SERIES)
    result = run("history", "-i", "1h", "--agg", "avg", "--agg", "count", "-m", "heat", "--from", "24h", "-f", "csv")
    assert result.output.splitlines() == [
        "device_id,metric,from,avg,count",
        "PUMP-7,heat,2026-09-21T16:13:20+02:00,20.5,3",
        "PUMP-7,heat,2026-09-21T17:13:20+02:00,,0",
    ]
    asked = gateway.asked[0].url.params
    assert (asked["interval"], asked.get_list("agg"), asked["metric"]) == ("1h", ["avg", "count"], "heat")
    assert timedelta(hours=23.9) < datetime.now(UTC) - datetime.fromisoformat(asked["from"]) < timedelta(hours=24.1)
    table = run("history", "-i", "1h")
    assert "read from hour" in table.output
    assert "left out" in table.stderr
    assert json.loads(run("history", "-i", "1h", "-f", "json").output) == SERIES


def test_readings_are_read_page_by_page_up_to_the_limit(gateway: Gateway) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        first = int(request.url.params.get("cursor", "0"))
        item = {"device_id": "PUMP-7", "metric": "m", "recorded_at": "t", "quality": "good"}
        items = [item | {"value": n} for n in range(first, first + 1_000)]
        return httpx.Response(
            200, json={"items": items[: int(request.url.params["limit"])], "next_cursor": str(first + 1_000)}
        )

    gateway.answer = page
    lines = run("history", "--limit", "1500", "-f", "csv").output.splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == [str(n) for n in range(1_500)]
    assert [request.url.params["limit"] for request in gateway.asked] == ["1000", "500"]


def test_a_problem_is_told_with_its_code(gateway: Gateway) -> None:
    problem = {"code": "too_many_rows", "detail": "this would read 9 rows", "status": 422}
    gateway.answer = lambda _: httpx.Response(422, json=problem)
    for command in ("history", "export"):
        result = run(command)
        assert result.exit_code == 1
        assert "too_many_rows" in result.stderr


def test_a_file_has_its_name_when_it_is_whole(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    headers = {"content-disposition": 'attachment; filename="pulse_PUMP-7.csv"'}
    gateway.answer = lambda _: httpx.Response(200, content=b"a,b\n1,2\n", headers=headers)
    assert run("export", "--wide", "--bom", "--separator", "semicolon").output.strip() == "pulse_PUMP-7.csv"
    assert (tmp_path / "pulse_PUMP-7.csv").read_bytes() == b"a,b\n1,2\n"
    asked = gateway.asked[0].url.params
    assert (asked["layout"], asked["bom"], asked["separator"]) == ("wide", "true", "semicolon")
    assert run("export", "-o", "-").output == "a,b\n1,2\n"

    def breaking_off(_: httpx.Request) -> httpx.Response:
        def body() -> Iterator[bytes]:
            yield b"a,b\n"
            raise httpx.RemoteProtocolError("peer closed connection")

        return httpx.Response(200, content=body(), headers=headers)

    gateway.answer = breaking_off
    (tmp_path / "pulse_PUMP-7.csv").unlink()
    result = run("export")
    assert result.exit_code == 1
    assert "broken_off" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_in_the_background_is_waited_for_and_downloaded(gateway: Gateway, tmp_path: Path) -> None:
    states = iter([JOB | {"state": "running", "rows_done": 5}, JOB | {"state": "ready", "rows_done": 10}])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json=JOB)
        if request.url.path.endswith("/file"):
            return httpx.Response(200, content=b"whole\n")
        return httpx.Response(200, json=next(states))

    gateway.answer = answer
    target = tmp_path / "x.csv"
    assert run("export", "--background", "-o", str(target)).output.strip() == str(target)
    assert target.read_bytes() == b"whole\n"
    assert json.loads(gateway.asked[0].content)["device_id"] == ["PUMP-7"]
    assert [request.url.path for request in gateway.asked][-1] == "/api/telemetry/exports/one/file"


def test_an_export_that_failed_says_why(gateway: Gateway) -> None:
    failed = JOB | {"state": "failed", "problem": {"code": "export_too_large", "message": "ask for less"}}
    gateway.answer = lambda _: httpx.Response(202, json=failed)
    result = run("export", "--background")
    assert result.exit_code == 1
    assert "export_too_large" in result.stderr
