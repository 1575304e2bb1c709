"""One reading is followed from its device to the socket: by its name in everybody's logs, and by one trace."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_chassis.tracing import TRACEPARENT, Tracing, post_to
from pulse_contracts.correlation import reading_correlation
from pulse_contracts.frames import Filter
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import telemetry_buffer
from pulse_simulator.trace_collector import TraceCollector, TracedSpan

DEVICE = "followed-1"
CONSUMER, PRODUCER, INTERNAL, SERVER = 5, 4, 1, 2


@pytest.fixture
async def followed(running_stack: Callable, tmp_path: Path) -> AsyncIterator[tuple[Any, TraceCollector]]:
    """A stack that logs everything, and records what it is asked to, but nothing of its own accord."""
    with TraceCollector() as collector:
        settings = {
            "PULSE_TRACES_ENDPOINT": collector.endpoint,
            "PULSE_TRACES_RATIO": "0",
            "PULSE_LOG_LEVEL": "DEBUG",
        }
        async with running_stack(tmp_path / "stack", **settings) as stack:
            yield stack, collector


def lines(stack: Any, service: str, event: str) -> list[dict[str, Any]]:
    """What a service's log says of an event."""
    text = (stack.data / "logs" / f"{service}.log").read_text(encoding="utf-8")
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in told if line.get("event") == event]


def by_name(spans: list[TracedSpan]) -> dict[str, TracedSpan]:
    return {f"{span.service}: {span.name}": span for span in spans}


async def test_a_reading_is_followed_from_its_device_to_the_socket(followed, eventually) -> None:
    stack, collector = followed
    device = Tracing(post_to(collector.endpoint), "device", 1.0)
    account = stack.description["admin"]
    async with stack.admin() as http, stack.socket(account["username"], account["password"]) as client:
        key = (await stack.register(http, DEVICE))[DEVICE]
        epoch = await stack.hello(DEVICE, key)
        await client.subscribe("telemetry.raw", name="raw", filter=Filter(device_ids=[DEVICE]), interval_ms=0)
        await client.until_answered("raw")
        session = await MqttSession.connect(
            MqttEndpoint(*stack.mqtt, DEVICE, key), client_id=DEVICE, on_message=lambda _: None
        )
        recorded_us = time.time_ns() // 1000
        run = {"v": 1, "epoch": epoch, "first": 1, "rows": [[recorded_us, {"temperature": 21.5}]]}
        publish = device.begin("publish telemetry", "producer")
        assert publish is not None
        message = (telemetry_buffer(ClientId(DEVICE)), json.dumps(run).encode())
        assert await session.publish_many([message], traceparent=publish.traceparent) == [0]
        publish.end()
        device.close()
        name = reading_correlation(DEVICE, recorded_us // 1000)

        async for frame in client:
            rows = frame.model_dump(mode="json").get("rows")
            if rows:
                break
        # What a socket shows names the reading as well.
        assert reading_correlation(rows[0][0], rows[0][2]) == name
        await session.disconnect()

        async def told(service: str, event: str) -> list[dict[str, Any]]:
            return [line for line in lines(stack, service, event) if line["correlation_id"] == name]

        (taken,) = await eventually(lambda: told("gateway", "reading_taken"), what="the gateway's log has the reading")
        (stored,) = await eventually(lambda: told("ingest", "reading_stored"), what="ingest's log has the reading")
        assert (stored["epoch"], stored["sequence"], stored["service"]) == (epoch, 1, "ingest")
        assert (taken["subscriptions"], taken["service"]) == (1, "gateway")

        async def whole_trace() -> dict[str, TracedSpan] | None:
            spans = by_name(collector.trace(publish.trace_id))
            return spans if len(spans) >= 5 else None

        spans = await eventually(whole_trace, what="the trace is complete")
        parents = {
            name: next((n for n, p in spans.items() if p.span_id == s.parent_id), "") for name, s in spans.items()
        }
        assert parents == {
            "device: publish telemetry": "",
            "ingest: process telemetry": "device: publish telemetry",
            "ingest: commit": "ingest: process telemetry",
            "ingest: publish pulse:telemetry": "ingest: process telemetry",
            "gateway: process pulse:telemetry": "ingest: publish pulse:telemetry",
        }
        assert [span.kind for span in spans.values() if span.service == "gateway"] == [CONSUMER]
        assert spans["gateway: process pulse:telemetry"].attributes["messaging.message.id"] == taken["entry"]
        assert spans["ingest: process telemetry"].attributes["pulse.readings"] == 1
        assert spans["ingest: process telemetry"].began_ns <= spans["ingest: commit"].began_ns

        await a_request_is_one_trace_over_its_services(stack, http, collector, device, eventually)
        # Nobody asked for anything else.
        assert {span.trace_id for span in collector.spans()} == {publish.trace_id, http.headers[TRACEPARENT][3:35]}
        assert not any(DEVICE in str(span.attributes) for span in collector.spans())


async def a_request_is_one_trace_over_its_services(stack, http, collector, device, eventually) -> None:
    asking = device.begin("look", "internal")
    http.headers[TRACEPARENT] = asking.traceparent
    answer = await http.get(f"/api/devices/{DEVICE}", headers={"X-Request-ID": "asked-by-a-test"})
    assert answer.status_code == 200

    async def both() -> dict[str, TracedSpan] | None:
        spans = by_name(collector.trace(asking.trace_id))
        return spans if len(spans) >= 2 else None

    spans = await eventually(both, what="the request's trace is complete")
    gateway, identity = sorted(spans.values(), key=lambda span: span.began_ns)
    assert (gateway.service, identity.service) == ("gateway", "identity")
    assert identity.parent_id == gateway.span_id
    assert (gateway.kind, identity.name) == (SERVER, "GET /api/devices/{device_id}")
    assert {span.attributes["pulse.correlation_id"] for span in spans.values()} == {"asked-by-a-test"}
