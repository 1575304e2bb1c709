"""A collector of traces for tests and measurements: takes OTLP's JSON over HTTP, and keeps it.

Bodies are kept as they came and read when somebody asks: reading them on arrival would take time from what is measured.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class TracedSpan:
    """One span as the collector was told of it; times in nanoseconds since 1970, `parent_id` empty for the first one."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    began_ns: int
    ended_ns: int
    attributes: dict[str, str | int]
    is_error: bool


class TraceCollector:
    """Listens on a free port of this machine while it is entered; one thread at a time may ask for the spans."""

    def __init__(self) -> None:
        self._unread: deque[bytes] = deque()
        self._spans: list[TracedSpan] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._unread))
        self._thread = threading.Thread(target=self._server.serve_forever, name="trace_collector", daemon=True)

    @property
    def endpoint(self) -> str:
        """What `PULSE_TRACES_ENDPOINT` is to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def spans(self) -> list[TracedSpan]:
        """Return all spans that came so far; each body is read once."""
        while self._unread:
            self._spans.extend(read_traces(self._unread.popleft()))
        return list(self._spans)

    def trace(self, trace_id: str) -> list[TracedSpan]:
        """Return the spans of a trace that came so far."""
        return [span for span in self.spans() if span.trace_id == trace_id]

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def read_traces(body: bytes) -> Iterable[TracedSpan]:
    """Give the spans of one request of OTLP's JSON."""
    for resource in json.loads(body)["resourceSpans"]:
        service = _values(resource["resource"]["attributes"])["service.name"]
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield TracedSpan(
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    service=str(service),
                    name=span["name"],
                    kind=span["kind"],
                    began_ns=int(span["startTimeUnixNano"]),
                    ended_ns=int(span["endTimeUnixNano"]),
                    attributes=_values(span["attributes"]),
                    is_error=span.get("status", {}).get("code") == 2,
                )


def _values(attributes: list[dict[str, Any]]) -> dict[str, str | int]:
    return {
        one["key"]: int(one["value"]["intValue"]) if "intValue" in one["value"] else one["value"]["stringValue"]
        for one in attributes
    }


def _handler(unread: deque[bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep the body of one request."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_otlp = (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/json")
            if is_otlp:
                unread.append(body)
            self.send_response(200 if is_otlp else 400)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 -- the library's name
            """Say nothing."""

    return Handler
