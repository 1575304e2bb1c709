"""The Prometheus metrics of ingest. Called once a batch; values that somebody else keeps are read at scrape time."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from pulse_chassis.metrics import LATENCY_BUCKETS
from pulse_ingest.use_cases.keep_retention import SweepStep
from pulse_ingest.use_cases.ports import Greeting, StoredBatch


class PrometheusInstruments:
    """The `Instruments` of production."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "ingest_messages", "Messages settled, by wire form and outcome", ["form", "outcome"], registry=registry
        )
        self._readings = Counter("ingest_readings_stored", "Readings committed for the first time", registry=registry)
        self._samples = Counter("ingest_samples_stored", "Values committed, one for each metric", registry=registry)
        self._duplicates = Counter("ingest_duplicates", "Readings that were here before", registry=registry)
        self._rejected = Counter("ingest_rejected", "Messages and rows refused, by code", ["code"], registry=registry)
        self._deferred = Counter("ingest_store_deferrals", "Attempts to store that must be repeated", registry=registry)
        self._poison = Counter("ingest_poison_messages", "Messages that the database refused", registry=registry)
        self._batch = Histogram(
            "ingest_batch_seconds", "Time to commit a batch", buckets=LATENCY_BUCKETS, registry=registry
        )
        self._ack_lag = Histogram(
            "ingest_ack_lag_seconds",
            "From receipt to ack, for the oldest message of each batch",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._hellos = Counter(
            "ingest_hellos",
            "Hellos answered, by why the epoch was renewed; repeated: decided before",
            ["renewed"],
            registry=registry,
        )
        self._removed = Counter(
            "ingest_retention_removed", "Rows removed one by one by retention, by kind", ["kind"], registry=registry
        )
        self._dropped = Counter("ingest_retention_partitions_dropped", "Partitions dropped", registry=registry)
        self._registry = registry

    def batch_stored(self, stored: StoredBatch) -> None:
        """Count a committed batch."""
        batch = stored.batch
        for (form, outcome), count in batch.outcomes.items():
            self._messages.labels(form, outcome).inc(count)
        self._readings.inc(max(0, batch.readings - stored.duplicates))
        self._samples.inc(stored.samples)
        self._duplicates.inc(stored.duplicates)
        if batch.rejected:
            for code, count in Tally(row.refusal.code.value for row in batch.rejected).items():
                self._rejected.labels(code).inc(count)
        self._batch.observe(stored.seconds)

    def batch_settled(self, oldest_seconds: float) -> None:
        """Note how long the oldest message of a batch waited for its ack."""
        self._ack_lag.observe(oldest_seconds)

    def store_deferred(self) -> None:
        """Count an attempt that failed for the time being."""
        self._deferred.inc()

    def poison_found(self) -> None:
        """Count a message that the database refused."""
        self._poison.inc()

    def hello_answered(self, greeting: Greeting) -> None:
        """Count a hello."""
        self._hellos.labels("repeated" if greeting.is_repeated else greeting.renewed or "no").inc()

    def retention_applied(self, done: SweepStep) -> None:
        """Count what one step of retention removed."""
        for kind, count in done.rows.items():
            self._removed.labels(kind).inc(count)
        self._dropped.inc(len(done.partitions))

    def watch(self, name: str, documentation: str, read: Callable[[], float], *, counts: bool) -> None:
        """Expose a value that somebody else keeps: a counter if it only grows."""
        self._registry.register(_Watched(name, documentation, read, counts=counts))


class _Watched:
    """A value read when it is scraped."""

    def __init__(self, name: str, documentation: str, read: Callable[[], float], *, counts: bool) -> None:
        self._family = CounterMetricFamily if counts else GaugeMetricFamily
        self._name = name
        self._documentation = documentation
        self._read = read

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Give the value to a scrape."""
        return [self._family(self._name, self._documentation, value=self._read())]
