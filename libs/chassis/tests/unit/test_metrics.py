import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from prometheus_client import CollectorRegistry

from pulse_chassis.metrics import Counters, Gauges, create_registry, exposition, latency_histogram, loop_lag_worker

Name = Literal["rows_stored", "acks_sent"]


def test_counts_appear_in_the_exposition() -> None:
    registry = CollectorRegistry()
    count: Counters[Name] = Counters(registry, "ingest", {"rows_stored": "Rows", "acks_sent": "Acks"})
    count.add("rows_stored", 500)
    count.add("rows_stored")
    text = exposition(registry).decode()
    assert "ingest_rows_stored_total 501.0" in text
    assert "ingest_acks_sent_total 0.0" in text
    assert count.value("rows_stored") == 501


def test_gauges_go_up_and_down() -> None:
    registry = CollectorRegistry()
    gauge: Gauges[Literal["open"]] = Gauges(registry, "gateway_sockets", {"open": "Open"})
    gauge.set("open", 5)
    gauge.set("open", 3)
    assert "gateway_sockets_open 3.0" in exposition(registry).decode()
    assert gauge.value("open") == 3


def test_an_undeclared_name_is_refused() -> None:
    registry = CollectorRegistry()
    with pytest.raises(KeyError):
        Counters(registry, "a", {"b": "B"}).add("c")
    with pytest.raises(KeyError):
        Gauges(registry, "d", {"e": "E"}).set("f", 1)


def test_a_registry_knows_the_process_and_nothing_twice() -> None:
    registry = create_registry()
    latency_histogram(registry, "commit_seconds", "Commit").observe(0.003)
    text = exposition(registry).decode()
    assert "python_info" in text
    assert 'commit_seconds_bucket{le="0.005"} 1.0' in text
    assert "_created" not in text


async def test_loop_lag_is_measured_and_the_worker_stops_at_once() -> None:
    registry = CollectorRegistry()
    stop = asyncio.Event()
    running = asyncio.create_task(_run(loop_lag_worker(registry).run, stop))
    async with asyncio.timeout(5):
        while "event_loop_lag_distribution_seconds_count 1.0" not in exposition(registry).decode():
            await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(0.2):
        await running


async def _run(run: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    await run(stop)
