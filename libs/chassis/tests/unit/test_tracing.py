"""Traces: nothing while they are off; what is recorded, and for whom, when they are on."""

import base64
import json
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from pulse_chassis.bearer import public
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge, create_app
from pulse_chassis.tracing import FOLLOWED_PER_SECOND, QUEUE_SPANS, Tracing, current_traceparent, is_sampled, tracing_to
from pulse_simulator.trace_collector import TracedSpan, read_traces

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
RECORDED = f"00-{TRACE}-{PARENT}-01"
IDS = {"traceId", "spanId", "parentSpanId"}
UNRECORDED = f"00-{TRACE}-{PARENT}-00"


class Traces:
    """Tracing whose spans a test can look at; time stands still."""

    def __init__(self, ratio: float) -> None:
        self._bodies: list[bytes] = []
        self.seconds = 7.0
        self.is_away = False
        chances = (n % 100 / 100 for n in count())
        self.tracing = Tracing(self._post, "test", ratio, monotonic=lambda: self.seconds, chance=lambda: next(chances))

    def _post(self, body: bytes) -> None:
        if self.is_away:
            raise ConnectionRefusedError("nobody is there")
        self._bodies.append(body)

    def spans(self) -> list[TracedSpan]:
        self.tracing.close()
        for body in self._bodies:
            is_otlp(body)
        return [span for body in self._bodies for span in read_traces(body)]


def is_otlp(body: bytes) -> None:
    """Read it by the protocol's own definition; in its JSON ids are hexadecimal, unlike in protobuf's."""

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(one) for one in value]
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(one)).decode() if key in IDS else read(one)
                for key, one in value.items()
            }
        return value

    ParseDict(read(json.loads(body)), ExportTraceServiceRequest())


@pytest.fixture
def all_of_them() -> Traces:
    return Traces(1.0)


@pytest.fixture
def none_of_them() -> Traces:
    return Traces(0.0)


def test_the_traces_of_a_process_are_made_once() -> None:
    assert tracing_to("", 0.5, "test") is None
    assert tracing_to("http://127.0.0.1:1", 0.5, "test") is tracing_to("http://127.0.0.1:1", 0.5, "test")


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [
        (RECORDED, True),
        (UNRECORDED, False),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"cc-{TRACE}-{PARENT}-01-what-a-later-version-adds", True),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        ("", False),
        ("00", False),
    ],
)
def test_a_traceparent_counts_only_in_its_form(traceparent: str, sampled: bool) -> None:
    assert is_sampled(traceparent) is sampled


def test_a_step_continues_the_one_before_it(all_of_them: Traces) -> None:
    first = all_of_them.tracing.follow(RECORDED, "first", "consumer")
    assert first is not None
    first.note({"a.b": 1, "c": "d"})
    second = all_of_them.tracing.follow(first.traceparent, "second", "internal")
    assert second is not None
    second.end()
    first.end()
    told = {span.name: span for span in all_of_them.spans()}
    assert first.trace_id == TRACE
    assert {span.trace_id for span in told.values()} == {TRACE}
    assert told["first"].parent_id == PARENT
    assert told["second"].parent_id == told["first"].span_id
    assert told["first"].attributes == {"a.b": 1, "c": "d"}
    assert told["first"].service == "test"
    assert told["first"].began_ns <= told["second"].began_ns <= told["second"].ended_ns <= told["first"].ended_ns


def test_a_step_may_be_told_of_afterwards(all_of_them: Traces) -> None:
    span = all_of_them.tracing.begin("x", "internal")
    assert span is not None
    span.began(1_000)
    span.end(2_500)
    (told,) = all_of_them.spans()
    assert (told.began_ns, told.ended_ns, told.parent_id) == (1_000, 2_500, "")


def test_a_collector_that_is_away_costs_spans_and_nothing_else(all_of_them: Traces) -> None:
    all_of_them.is_away = True
    for _ in range(3 * QUEUE_SPANS):
        span = all_of_them.tracing.begin("x", "internal")
        assert span is not None
        span.end()
    assert all_of_them.spans() == []
    all_of_them.is_away = False
    assert len(all_of_them.spans()) <= QUEUE_SPANS


def test_a_trace_that_is_not_recorded_is_not_begun_again_by_who_follows(all_of_them: Traces) -> None:
    assert all_of_them.tracing.follow(UNRECORDED, "x", "internal") is None
    assert all_of_them.tracing.admit(UNRECORDED, "x", "internal") is None
    assert all_of_them.spans() == []


def test_the_ratio_decides_about_traces_that_begin_here() -> None:
    traces = Traces(0.25)
    begun = [traces.tracing.begin("x", "internal") for _ in range(200)]
    assert sum(span is not None for span in begun) == 50


def test_outsiders_get_no_more_recorded_than_the_bound_whatever_they_ask(none_of_them: Traces) -> None:
    def admitted() -> int:
        spans = [none_of_them.tracing.admit(RECORDED, "x", "server") for _ in range(3 * FOLLOWED_PER_SECOND)]
        return sum(span is not None for span in spans)

    assert admitted() == FOLLOWED_PER_SECOND
    none_of_them.seconds += 1
    assert admitted() == FOLLOWED_PER_SECOND
    # Without a trace of their own, or with nonsense, they are as anybody.
    assert none_of_them.tracing.admit("nonsense", "x", "server") is None
    assert none_of_them.tracing.admit(None, "x", "server") is None


async def asked(traces: Traces | None, path: str, **headers: str) -> str:
    router = APIRouter(dependencies=[Depends(public("a test"))])

    @router.get("/things/{thing}")
    async def read_thing(thing: str) -> dict[str, str | None]:
        if thing == "bad":
            raise RuntimeError("unforeseen")
        return {"outgoing": current_traceparent()}

    app = create_app(
        service="test",
        title="t",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
        edge=Edge(tracing=None if traces is None else traces.tracing),
    )
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get(path, headers=headers)
        return str(answer.json().get("outgoing"))


async def test_a_request_is_a_step_named_by_its_route_and_its_requests_carry_on(all_of_them: Traces) -> None:
    outgoing = await asked(all_of_them, "/things/secret-name?q=secret", traceparent=RECORDED, **{"x-request-id": "r1"})
    (span,) = all_of_them.spans()
    assert span.name == "GET /things/{thing}"
    assert span.parent_id == PARENT
    assert outgoing == f"00-{TRACE}-{span.span_id}-01"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/things/{thing}",
        "http.response.status_code": 200,
        "pulse.correlation_id": "r1",
    }
    assert "secret" not in repr(span)


async def test_a_request_that_is_not_recorded_says_so_to_those_it_makes(none_of_them: Traces) -> None:
    outgoing = await asked(none_of_them, "/things/a")
    assert len(outgoing) == len(UNRECORDED)
    assert not is_sampled(outgoing)
    assert none_of_them.spans() == []


async def test_an_error_of_our_own_marks_the_step(all_of_them: Traces) -> None:
    await asked(all_of_them, "/things/bad")
    (span,) = all_of_them.spans()
    assert span.is_error
    assert span.attributes["http.response.status_code"] == 500


async def test_probes_and_services_without_traces_leave_none(all_of_them: Traces) -> None:
    for path in ("/health", "/readyz"):
        await asked(all_of_them, path, traceparent=RECORDED)
    assert all_of_them.spans() == []
    assert await asked(None, "/things/a", traceparent=RECORDED) == "None"
