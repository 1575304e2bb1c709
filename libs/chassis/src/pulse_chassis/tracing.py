"""Traces in OpenTelemetry's form: off unless `PULSE_TRACES_ENDPOINT` is set, and nothing of its SDK is imported until then.

Context travels as a W3C `traceparent`: in HTTP headers, in MQTT 5 user properties, in a field of stream entries. Whether a
trace is recorded is decided once, where it begins, by `PULSE_TRACES_RATIO`; whoever comes later follows its flag. Outsiders
may set that flag too (a device, a browser), so it is followed for a bounded number of spans each second.

Guaranteed: what is not recorded costs a comparison and, at the edge of HTTP, two random numbers. What is recorded waits in
a queue of 2,048 spans, of which new ones are dropped when it is full; nothing ever waits for the collector.
A span names routes, streams and counts, never a path, a payload or a person.
"""

from __future__ import annotations

import atexit
import functools
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OtelSpan

TRACEPARENT: Final = "traceparent"
FOLLOWED_PER_SECOND: Final = 100
"""Spans that are recorded because somebody outside asked for it."""
EXPORT_SECONDS: Final = 2.0
QUEUE_SPANS: Final = 2048
_EXPORT_EVERY_MS: Final = 1000
_SAMPLED: Final = 0x01
_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)

Kind = Literal["server", "consumer", "producer", "internal"]
Attributes = Mapping[str, str | int | Sequence[str]]


def is_sampled(traceparent: str) -> bool:
    """Return whether this is a well-formed `traceparent` of a trace that is recorded."""
    match = _FORM.fullmatch(traceparent)
    return match is not None and bool(int(match[3], 16) & _SAMPLED)


def current_traceparent() -> str | None:
    """Return what an outgoing request is to carry; None while traces are off, or outside of a request."""
    return _current.get()


class Span:
    """One recorded step of a trace; it is told to the collector once it has ended."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """The trace's id, as log lines and the tracing tool show it."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """What the next step gets to continue this one."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))

    def rename(self, name: str) -> None:
        """Give it the name that was not known when it began."""
        self._span.update_name(name)

    def fail(self, reason: str) -> None:
        """Mark it as an error."""
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, reason))

    def end(self, at_ns: int | None = None) -> None:
        """End it, now or at a time in nanoseconds since 1970."""
        self._span.end(at_ns)


class Tracing:
    """The traces of one process. `monotonic` gives seconds; `chance` a number from 0 to below 1."""

    def __init__(
        self,
        exporter: SpanExporter,
        service: str,
        ratio: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        about = {
            "service.name": service,
            "service.namespace": "precisionpulse",
            "service.instance.id": str(os.getpid()),
        }
        # What is not to be recorded never gets as far as the SDK.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create(about),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attributes=32),
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS, schedule_delay_millis=_EXPORT_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("pulse_chassis.tracing")
        self._ratio = ratio
        self._monotonic = monotonic
        self._chance = chance
        self._second = 0
        self._followed = 0

    def begin(
        self, name: str, kind: Kind, *, started_ns: int | None = None, attributes: Attributes | None = None
    ) -> Span | None:
        """Begin a trace, if it is one of those that are recorded."""
        if self._chance() >= self._ratio:
            return None
        return self._start(name, kind, None, started_ns, attributes)

    def follow(
        self,
        traceparent: str,
        name: str,
        kind: Kind,
        *,
        started_ns: int | None = None,
        attributes: Attributes | None = None,
    ) -> Span | None:
        """Continue a trace of our own, if it is recorded."""
        if not is_sampled(traceparent):
            return None
        return self._start(name, kind, traceparent, started_ns, attributes)

    def admit(
        self,
        traceparent: str | None,
        name: str,
        kind: Kind,
        *,
        started_ns: int | None = None,
        attributes: Attributes | None = None,
    ) -> Span | None:
        """Continue the trace of somebody outside, if it is recorded and not too many are; begin one where there is none."""
        if traceparent is None or _FORM.fullmatch(traceparent) is None:
            return self.begin(name, kind, started_ns=started_ns, attributes=attributes)
        if not is_sampled(traceparent) or not self._may_follow():
            return None
        return self._start(name, kind, traceparent, started_ns, attributes)

    def close(self) -> None:
        """Tell the collector what is left, for at most two seconds."""
        self._provider.force_flush(int(EXPORT_SECONDS * 1000))

    def _may_follow(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._followed = second, 0
        self._followed += 1
        return self._followed <= FOLLOWED_PER_SECOND

    def _start(
        self, name: str, kind: Kind, parent: str | None, started_ns: int | None, attributes: Attributes | None
    ) -> Span:
        from opentelemetry.trace import SpanKind

        context = _context(parent)
        span = self._tracer.start_span(
            name, context, SpanKind[kind.upper()], dict(attributes or {}), start_time=started_ns
        )
        return Span(span)


@contextmanager
def traced_request(tracing: Tracing | None, traceparent: str | None) -> Iterator[Span | None]:
    """Give the span of one request, None if it is not recorded; requests that it makes carry on from it.

    The caller names it and ends it. A request that is not recorded says so to those that it makes.
    """
    if tracing is None:
        yield None
        return
    span = tracing.admit(traceparent, "request", "server")
    token = _current.set(span.traceparent if span is not None else _unrecorded())
    try:
        yield span
    finally:
        _current.reset(token)


def tracing_to(endpoint: str, ratio: float, service: str) -> Tracing | None:
    """Return the traces of this process, always the same; None when `endpoint` is empty."""
    return _tracing_to(endpoint, ratio, service) if endpoint else None


@functools.cache
def _tracing_to(endpoint: str, ratio: float, service: str) -> Tracing:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    tracing = Tracing(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS), service, ratio)
    atexit.register(tracing.close)
    return tracing


def _unrecorded() -> str:
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"


def _context(traceparent: str | None) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    match = None if traceparent is None else _FORM.fullmatch(traceparent)
    if match is None:
        return Context()
    remote = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    return set_span_in_context(NonRecordingSpan(remote), Context())
