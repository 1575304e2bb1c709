"""Metrics for Prometheus: counters whose names the type checker knows, and how the process itself is doing.

A service declares its names once, as a `Literal`, and a misspelt one does not type-check:

    Name = Literal["rows_stored", "acks_sent"]
    count: Counters[Name] = Counters(registry, "ingest", {"rows_stored": "Rows committed", "acks_sent": "…"})
    count.add("rows_stored", 500)        # → ingest_rows_stored_total

`Counters` and `Gauges` are plain dictionaries until they are scraped: an addition costs some 0.1 µs, and no lock. They
belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from pulse_chassis.run import Worker

EXPOSITION_MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, from a commit on a fast disk to a request that somebody gave up on."""
LAG_INTERVAL_SECONDS: Final = 0.5

NameT = TypeVar("NameT", bound=str)


def create_registry() -> CollectorRegistry:
    """Return a registry with the metrics of the process (memory, CPU, files, garbage collection, Python)."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no annotation here
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return all metrics in the text format that Prometheus scrapes."""
    return generate_latest(registry)


class Counters(Collector, Generic[NameT]):
    """Counts that only grow, `<prefix>_<name>_total`."""

    def __init__(self, registry: CollectorRegistry, prefix: str, names: Mapping[NameT, str]) -> None:
        self._prefix = prefix
        self._help = dict(names)
        self._values: dict[NameT, float] = dict.fromkeys(names, 0.0)
        registry.register(self)

    def add(self, name: NameT, amount: float = 1.0) -> None:
        """Add to a counter; a name that was not declared is a KeyError."""
        self._values[name] += amount

    def value(self, name: NameT) -> float:
        """Return what was counted so far."""
        return self._values[name]

    def collect(self) -> Iterable[Metric]:
        """Give the counters to a scrape."""
        for name, value in self._values.items():
            yield CounterMetricFamily(f"{self._prefix}_{name}", self._help[name], value=value)


class Gauges(Collector, Generic[NameT]):
    """Values that go up and down, `<prefix>_<name>`."""

    def __init__(self, registry: CollectorRegistry, prefix: str, names: Mapping[NameT, str]) -> None:
        self._prefix = prefix
        self._help = dict(names)
        self._values: dict[NameT, float] = dict.fromkeys(names, 0.0)
        registry.register(self)

    def set(self, name: NameT, value: float) -> None:
        """Set a gauge; a name that was not declared is a KeyError."""
        if name not in self._values:
            raise KeyError(name)
        self._values[name] = value

    def value(self, name: NameT) -> float:
        """Return what was set last."""
        return self._values[name]

    def collect(self) -> Iterable[Metric]:
        """Give the gauges to a scrape."""
        for name, value in self._values.items():
            yield GaugeMetricFamily(f"{self._prefix}_{name}", self._help[name], value=value)


def latency_histogram(registry: CollectorRegistry, name: str, documentation: str) -> Histogram:
    """Return a histogram of seconds with the buckets that all services share; `name` ends in `_seconds`."""
    return Histogram(name, documentation, buckets=LATENCY_BUCKETS, registry=registry)


def loop_lag_worker(registry: CollectorRegistry) -> Worker:
    """Return a worker that measures how late the event loop runs what is due: the first sign of an overload."""
    lag = Gauge(
        "event_loop_lag_seconds", "How late the event loop ran a timer, the last time it looked", registry=registry
    )
    worst = Histogram(
        "event_loop_lag_distribution_seconds", "How late timers ran", buckets=LATENCY_BUCKETS, registry=registry
    )

    async def measure(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            due = loop.time() + LAG_INTERVAL_SECONDS
            try:
                async with asyncio.timeout(LAG_INTERVAL_SECONDS):
                    await stop.wait()
            except TimeoutError:
                late = max(0.0, loop.time() - due)
                lag.set(late)
                worst.observe(late)

    return Worker("loop_lag", measure)
