"""Traces in OpenTelemetry's form: off unless `PULSE_TRACES_ENDPOINT` is set.

Context travels as a W3C `traceparent`: in HTTP headers, in MQTT 5 user properties, in a field of stream entries. Whether a
trace is recorded is decided once, where it begins, by `PULSE_TRACES_RATIO`; whoever comes later follows its flag. Outsiders
may set that flag too (a device, a browser), so it is followed for a bounded number of spans each second.

Guaranteed: what is not recorded costs a comparison and, at the edge of HTTP, two random numbers. What is recorded is told
by a thread, as OTLP's JSON over HTTP, from a queue of 2,048 spans; while it is full new ones are dropped and counted.
Nothing ever waits for the collector. A span names routes, streams and counts, never a path, a payload or a person.
OpenTelemetry's own SDK is not used: decision record 0025 says why.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal

from pulse_chassis.logging import get_logger

TRACEPARENT: Final = "traceparent"
FOLLOWED_PER_SECOND: Final = 100
"""Spans that are recorded because somebody outside asked for it."""
QUEUE_SPANS: Final = 2048
POST_SPANS: Final = 512
POST_SECONDS: Final = 2.0
"""How long the collector may take, and the end of a process may wait for it."""
PAUSE_SECONDS: Final = 1.0
_SAMPLED: Final = 0x01
_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_ERROR: Final = 2
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_log = get_logger("tracing")

Kind = Literal["internal", "server", "producer", "consumer"]
_KINDS: Final[Mapping[Kind, int]] = {"internal": 1, "server": 2, "producer": 4, "consumer": 5}
Attributes = Mapping[str, str | int]
Post = Callable[[bytes], None]
"""Gives a body to the collector; raises OSError when it does not take it."""


def is_sampled(traceparent: str) -> bool:
    """Return whether this is a well-formed `traceparent` of a trace that is recorded."""
    match = _FORM.fullmatch(traceparent)
    return match is not None and bool(int(match[3], 16) & _SAMPLED)


def current_traceparent() -> str | None:
    """Return what an outgoing request is to carry; None while traces are off, or outside of a request."""
    return _current.get()


class Span:
    """One recorded step of a trace; it is told to the collector once it has ended."""

    __slots__ = (
        "_attributes",
        "_done",
        "_error",
        "_kind",
        "_name",
        "_parent_id",
        "_span_id",
        "_started_ns",
        "trace_id",
    )

    def __init__(self, done: Callable[[dict[str, Any]], None], name: str, kind: Kind, parent: str | None) -> None:
        match = None if parent is None else _FORM.fullmatch(parent)
        self.trace_id = _trace_id() if match is None else match[1]
        self._parent_id = None if match is None else match[2]
        self._span_id = _span_id()
        self._done = done
        self._name = name
        self._kind = kind
        self._started_ns = time.time_ns()
        self._attributes: dict[str, str | int] = {}
        self._error: str | None = None

    @property
    def traceparent(self) -> str:
        """What the next step gets to continue this one."""
        return f"00-{self.trace_id}-{self._span_id}-01"

    def began(self, at_ns: int) -> None:
        """Say that it began earlier than now, in nanoseconds since 1970."""
        self._started_ns = at_ns

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._attributes.update(attributes)

    def rename(self, name: str) -> None:
        """Give it the name that was not known when it began."""
        self._name = name

    def fail(self, reason: str) -> None:
        """Mark it as an error."""
        self._error = reason

    def end(self, at_ns: int | None = None) -> None:
        """End it, now or at a time in nanoseconds since 1970; not more than once."""
        told: dict[str, Any] = {
            "traceId": self.trace_id,
            "spanId": self._span_id,
            "name": self._name,
            "kind": _KINDS[self._kind],
            "startTimeUnixNano": str(self._started_ns),
            "endTimeUnixNano": str(max(self._started_ns, time.time_ns() if at_ns is None else at_ns)),
            "attributes": _attributes(self._attributes),
        }
        if self._parent_id is not None:
            told["parentSpanId"] = self._parent_id
        if self._error is not None:
            told["status"] = {"code": _ERROR, "message": self._error}
        self._done(told)


class Tracing:
    """The traces of one process. `monotonic` gives seconds; `chance` a number from 0 to below 1."""

    def __init__(
        self,
        post: Post,
        service: str,
        ratio: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._queue = _Queue(post, service)
        self._ratio = ratio
        self._monotonic = monotonic
        self._chance = chance
        self._second = 0
        self._followed = 0

    def begin(self, name: str, kind: Kind) -> Span | None:
        """Begin a trace, if it is one of those that are recorded."""
        return None if self._chance() >= self._ratio else Span(self._queue.add, name, kind, None)

    def follow(self, traceparent: str, name: str, kind: Kind) -> Span | None:
        """Continue a trace of our own, if it is recorded."""
        return Span(self._queue.add, name, kind, traceparent) if is_sampled(traceparent) else None

    def admit(self, traceparent: str | None, name: str, kind: Kind) -> Span | None:
        """Continue the trace of somebody outside, if it is recorded and not too many are; begin one where there is none."""
        if traceparent is None or _FORM.fullmatch(traceparent) is None:
            return self.begin(name, kind)
        if not is_sampled(traceparent) or not self._may_follow():
            return None
        return Span(self._queue.add, name, kind, traceparent)

    def close(self) -> None:
        """Tell the collector what is left; gives up after two seconds, or at the first refusal."""
        self._queue.flush()

    def _may_follow(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._followed = second, 0
        self._followed += 1
        return self._followed <= FOLLOWED_PER_SECOND


class _Queue:
    """Spans that have ended, and the thread that tells of them."""

    def __init__(self, post: Post, service: str) -> None:
        about = {
            "service.name": service,
            "service.namespace": "precisionpulse",
            "service.instance.id": str(os.getpid()),
        }
        self._resource = {"attributes": _attributes(about)}
        self._post = post
        self._spans: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._is_away = False
        self._is_full = False
        self._posting = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, span: dict[str, Any]) -> None:
        if len(self._spans) >= QUEUE_SPANS:
            self._dropped += 1
            return
        self._spans.append(span)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        give_up = time.monotonic() + POST_SECONDS
        with self._posting:
            while self._spans and time.monotonic() < give_up and self._post_some():
                pass

    def _run(self) -> None:
        while True:
            time.sleep(PAUSE_SECONDS)
            self.flush()

    def _post_some(self) -> bool:
        spans = [self._spans.popleft() for _ in range(min(POST_SPANS, len(self._spans)))]
        scope = {"scope": {"name": "pulse_chassis.tracing"}, "spans": spans}
        body = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}
        try:
            self._post(json.dumps(body, separators=(",", ":")).encode())
        except OSError as error:
            self._dropped += len(spans)
            if not self._is_away:
                _log.warning("traces_not_taken", reason=str(error))
            self._is_away = True
            return False
        if self._is_away:
            _log.info("traces_taken_again", dropped=self._dropped)
        elif self._dropped and not self._is_full:
            _log.warning("traces_dropped", dropped=self._dropped, reason="more than the collector takes")
        self._is_away, self._is_full, self._dropped = False, self._dropped > 0, 0
        return True


@contextmanager
def traced_request(tracing: Tracing, traceparent: str | None) -> Iterator[Span | None]:
    """Give the span of one request, None if it is not recorded; requests that it makes carry on from it.

    The caller names it and ends it. A request that is not recorded says so to those that it makes.
    """
    span = tracing.admit(traceparent, "request", "server")
    token = _current.set(f"00-{_trace_id()}-{_span_id()}-00" if span is None else span.traceparent)
    try:
        yield span
    finally:
        _current.reset(token)


def tracing_to(endpoint: str, ratio: float, service: str) -> Tracing | None:
    """Return the traces of this process, always the same; None when `endpoint` is empty."""
    return _tracing_to(endpoint, ratio, service) if endpoint else None


def post_to(endpoint: str) -> Post:
    """Return what gives bodies to the collector with this base URL."""
    # Only who has a collector needs it: it takes 0.5 MB, of an agent for nothing.
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{endpoint.rstrip('/')}/v1/traces", body, headers)  # noqa: S310 -- the operator's
        with opener.open(request, timeout=POST_SECONDS) as answer:
            answer.read()

    return post


@functools.cache
def _tracing_to(endpoint: str, ratio: float, service: str) -> Tracing:
    tracing = Tracing(post_to(endpoint), service, ratio)
    atexit.register(tracing.close)
    return tracing


def _trace_id() -> str:
    return f"{random.getrandbits(128) or 1:032x}"


def _span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"


def _attributes(given: Attributes) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
        for key, value in given.items()
    ]
