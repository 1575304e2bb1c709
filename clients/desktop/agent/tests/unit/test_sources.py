"""Sources: lines, host metrics, simulated values, the timer, and the supervisor that keeps them from harming anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_agent.domain.reading import Value, encode_metrics
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.sources.lines import LineError, parse_line
from pulse_agent.sources.source import Emit, SourceOptions, UnknownSourceError, create_source, parse_source
from pulse_agent.sources.supervision import SourceSupervisor
from pulse_agent.sources.timer import TimedSource
from pulse_chassis.clock import ManualClock, SystemClock


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ("a=1 b=2.5 c=true d=FALSE e=idle", {"a": 1, "b": 2.5, "c": True, "d": False, "e": "idle"}),
        ('{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
        ('{"metrics": {"a": true}, "source": "plc"}', {"a": True}),
    ],
)
def test_lines_become_metrics(line: str, metrics: dict[str, Value]) -> None:
    assert parse_line(line) == (metrics, None)


def test_a_timestamp_without_a_zone_is_utc() -> None:
    expected = datetime(2025, 12, 19, 12, 0, tzinfo=UTC)
    assert parse_line('{"a":1,"timestamp":"2025-12-19T12:00:00"}')[1] == expected
    assert parse_line('{"a":1,"timestamp":"2025-12-19T13:00:00+01:00"}')[1] == expected
    assert parse_line(f'{{"a":1,"timestamp":{int(expected.timestamp() * 1000)}}}')[1] == expected


BAD_LINES = [
    "word",
    "a=nan",
    "a=inf",
    "{",
    "{}",
    '{"a": null}',
    '{"a": NaN}',
    '{"a":1,"timestamp":"soon"}',
    '{"a":1,"timestamp":true}',
    '{"a":1,"timestamp":1e300}',
    "bad|key=1",
    "[" * 100_000,
    '{"a":' * 50_000,
    "a=" + "x" * 300,
]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_bad_lines_are_refused_in_words(line: str) -> None:
    with pytest.raises(LineError):
        parse_line(line)


@given(st.text(max_size=60))
def test_no_line_breaks_the_parser(line: str) -> None:
    try:
        metrics, _ = parse_line(line)
    except LineError:
        return
    encode_metrics(metrics)


@pytest.mark.parametrize("name", ["host", "simulated"])
def test_builtin_sources_are_found_by_entry_point_and_sample_valid_metrics(name: str, tmp_path: Path) -> None:
    source: Any = create_source(name, SourceOptions(1.0, tmp_path, SystemClock(), {}))
    assert source.name == name
    for _ in range(3):
        metrics = source._sample()
        encode_metrics(metrics)
    assert {type(value) for value in metrics.values()} >= {int, float, str}


def test_an_unknown_source_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownSourceError, match="host, lines, simulated"):
        create_source("nope", SourceOptions(1.0, tmp_path, SystemClock(), {}))


def test_source_options_are_read_from_text() -> None:
    assert parse_source("host") == ("host", {})
    assert parse_source("lines:socket=a.sock, interval=2") == ("lines", {"socket": "a.sock", "interval": "2"})


class Collected:
    """An Emit that keeps what it gets."""

    def __init__(self) -> None:
        self.metrics: list[Mapping[str, Value]] = []

    async def __call__(self, metrics: Mapping[str, Value], recorded_at: datetime | None = None) -> bool:
        self.metrics.append(metrics)
        return True


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_timer_keeps_its_rate_skips_missed_beats_and_can_be_changed() -> None:
    clock, emit, stop = ManualClock(), Collected(), asyncio.Event()
    source = TimedSource("t", lambda: {"at": clock.monotonic()}, 1.0, clock)
    task = asyncio.create_task(source.run(emit, stop))
    for seconds in (1.0, 1.0, 5.5, 0.5):
        await settle()
        clock.advance(seconds)
    await settle()
    assert [m["at"] for m in emit.metrics] == [0.0, 1.0, 2.0, 7.5, 8.0]
    source.change_interval(10)
    await settle()
    clock.advance(9.9)
    await settle()
    assert [m["at"] for m in emit.metrics][5:] == [8.0]
    clock.advance(0.1)
    await settle()
    assert [m["at"] for m in emit.metrics][6:] == [18.0]
    stop.set()
    await task


class Flapping:
    """A plug-in that fails twice, then works."""

    name = "flapping"

    def __init__(self) -> None:
        self.starts = 0

    async def run(self, emit: Emit, stop: asyncio.Event) -> None:
        self.starts += 1
        if self.starts < 3:
            raise RuntimeError("sensor unplugged")
        await emit({"bad key": 1})
        assert await emit({"ok": True})
        await stop.wait()


async def test_a_failing_source_is_started_again_and_never_ends_the_agent(tmp_path: Path, eventually: Any) -> None:
    source, stop = Flapping(), asyncio.Event()
    async with Outbox(tmp_path / "outbox.db") as outbox:
        supervisor = SourceSupervisor(source, outbox, SystemClock())
        task = asyncio.create_task(supervisor.run(stop))
        await eventually(lambda: outbox.stats.rows == 1, what="a reading after two failures")
        stop.set()
        await task
    assert source.starts == 3
    assert supervisor.refused == 1
