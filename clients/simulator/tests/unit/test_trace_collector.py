"""What a process tells of its traces can be asked for, span by span; what is no trace is refused."""

from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pulse_chassis.tracing import Tracing
from pulse_simulator.trace_collector import TraceCollector

FIRST, SECOND = "a" * 32, "b" * 32
DEADLINE = 60.0


@pytest.fixture
def collector() -> Iterator[TraceCollector]:
    with TraceCollector() as entered:
        yield entered


def post(collector: TraceCollector, body: bytes, *, path: str = "/v1/traces") -> int:
    connection = HTTPConnection(urlsplit(collector.endpoint).netloc, timeout=DEADLINE)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def tell_of(tracing: Tracing, trace_id: str, began_ns: int, ended_ns: int) -> None:
    span = tracing.follow(f"00-{trace_id}-{'c' * 16}-01", "commit", "internal")
    assert span is not None
    span.began(began_ns)
    span.end(ended_ns)
    tracing.close()


def test_spans_are_all_that_came_until_now_each_of_them_once(collector: TraceCollector) -> None:
    tracing = Tracing(partial(post, collector), "device", 0.0)
    assert collector.spans() == []

    tell_of(tracing, FIRST, 5, 7)
    (first,) = collector.spans()
    tell_of(tracing, SECOND, 8, 9)

    assert [span.trace_id for span in collector.spans()] == [FIRST, SECOND]
    assert collector.trace(FIRST) == [first]
    assert (first.service, first.name, first.began_ns, first.ended_ns) == ("device", "commit", 5, 7)


def test_what_comes_elsewhere_is_refused_and_not_kept(collector: TraceCollector) -> None:
    assert post(collector, b"{}", path="/elsewhere") == 400
    assert collector.spans() == []
