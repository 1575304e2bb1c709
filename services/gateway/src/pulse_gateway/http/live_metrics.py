"""The figures of the live path for Prometheus, read from its plain counts when a scrape comes."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pulse_chassis.metrics import latency_histogram
from pulse_contracts.frames import CloseCode
from pulse_gateway.use_cases.desk import Desk
from pulse_gateway.use_cases.subscription import Tick


class LiveMetrics(Collector):
    """Counts by label, gauges, and the time from a stream entry to the sockets' queues."""

    def __init__(self, registry: CollectorRegistry, desk: Desk) -> None:
        self._desk = desk
        self._fanout = latency_histogram(
            registry,
            "gateway_fanout_seconds",
            "Seconds from the newest stream entry of a tick until it is queued for all its members",
        )
        registry.register(self)

    def observe_tick(self, tick: Tick, members: int) -> None:
        """Note how long the news of a tick took. Stream ids are the time of writing, in milliseconds."""
        del members
        self._fanout.observe(max(0.0, time.time() - tick.offset.ms / 1000))

    def collect(self) -> Iterable[Metric]:
        """Give everything to a scrape."""
        stats = self._desk.stats
        sockets = self._desk.sockets
        connections = GaugeMetricFamily("gateway_connections", "Open sockets", labels=["state"])
        connections.add_metric(["authenticated"], len(sockets) - sockets.strangers)
        connections.add_metric(["unauthenticated"], sockets.strangers)
        yield connections
        yield _counter("gateway_frames_sent", "Frames queued for sockets", "type", stats.frames_sent.items())
        yield _counter("gateway_closes", "Sockets ended by the server", "code", stats.closes.items())
        yield CounterMetricFamily(
            "gateway_slow_closes", "Sockets ended because they did not keep up",
            value=stats.closes[int(CloseCode.SLOW_CONSUMER)],
        )  # fmt: skip
        yield _counter("gateway_refusals", "Requests refused with an error frame", "code", stats.refusals.items())
        yield _counter("gateway_resumes", "Resumes by outcome", "outcome", stats.resumes.items())
        yield CounterMetricFamily(
            "gateway_bad_entries", "Stream entries that could not be read", value=stats.bad_entries
        )
        yield CounterMetricFamily(
            "gateway_positions_lost", "How often a stream's position was lost", value=stats.positions_lost
        )
        yield self._streams()

    def _streams(self) -> Metric:
        connected = GaugeMetricFamily("gateway_stream_connected", "Whether a stream is being read", labels=["stream"])
        state = self._desk.state
        for view in {topic.stream.name: topic.stream for topic in state.topics.values()}.values():
            # Whether a service is part of this installation shows when it publishes something for the first time.
            if view.is_ready or view in {state.telemetry, state.devices}:
                connected.add_metric([view.name], float(view.is_connected))
        return connected


def _counter(name: str, text: str, label: str, values: Iterable[tuple[object, int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in list(values):
        family.add_metric([str(value)], count)
    return family
