"""The hops of a reading add up to what it took, and what is not known from end to end is not counted."""

import json

import pytest

from pulse_bench.errors import BenchError
from pulse_bench.latency_hops import BARE, HOPS, Journey, figures_of, tell
from pulse_bench.rows import rows_of
from pulse_simulator.trace_collector import TracedSpan

BARE_US = {
    "mqtt": 200.0,
    "insert": 500.0,
    "transaction": 900.0,
    "round_trip": 100.0,
    "flush": 300.0,
    "stream": 150.0,
    "socket": 100.0,
}


def journey(*, left_us: int = 0, scale: int = 1) -> Journey:
    def at(us: int) -> int:
        return (left_us + us * scale) * 1000

    spans = {
        "process telemetry": (at(400), at(9000)),
        "commit": (at(500), at(2500)),
        "publish pulse:telemetry": (at(2510), at(3300)),
        "process pulse:telemetry": (at(3000), at(3100)),
    }
    return Journey(left_us * 1000, at(3700), spans)


def test_each_hop_begins_where_the_one_before_it_ended() -> None:
    assert journey(left_us=77).hops_us() == {
        "broker": 400.0,
        "batch": 100.0,
        "commit": 2000.0,
        "stream": 500.0,
        "gateway": 100.0,
        "socket": 600.0,
    }


@pytest.mark.parametrize("missing", ["process telemetry", "commit", "process pulse:telemetry"])
def test_a_journey_with_an_unknown_step_has_no_hops(missing: str) -> None:
    found = journey()
    del found.spans[missing]

    assert found.hops_us() is None


def test_a_reading_that_was_never_shown_has_no_hops() -> None:
    found = journey()
    found.landed_ns = 0

    assert found.hops_us() is None


def test_figures_are_medians_over_the_journeys_that_are_known() -> None:
    lost = Journey(1, 2)
    figures = figures_of([*(journey(scale=scale) for scale in range(1, 42)), lost], BARE_US)

    assert figures.readings == 41
    assert figures.p50_us == 21 * 3700
    assert [hop.name for hop in figures.hops] == list(HOPS)
    hops = {hop.name: hop for hop in figures.hops}
    assert hops["commit"].p50_us == 21 * 2000
    assert hops["commit"].p90_us > 36 * 2000
    assert (hops["commit"].bare_us, hops["batch"].bare_us) == (500.0, None)


def test_the_limit_is_the_sum_of_the_bare_hops_and_nothing_else() -> None:
    figures = figures_of([journey()] * 30, BARE_US)

    assert figures.bare_sum_us == 200 + 500 + 150 + 100
    assert set(BARE.values()) < set(BARE_US)
    told = json.loads(json.dumps(figures.as_dict()))
    assert told["bare_sum_us"] == 950
    assert told["bare_us"]["round_trip"] == 100


def test_too_few_followed_readings_are_no_figure() -> None:
    with pytest.raises(BenchError, match="only 3 readings could be followed"):
        figures_of([journey()] * 3, BARE_US)


def test_each_journey_gets_the_spans_of_its_own_trace() -> None:
    journeys = {"a" * 32: Journey(1)}

    tell(journeys, [_span("a" * 32, 5, 7), _span("b" * 32, 8, 9)])

    assert journeys["a" * 32].spans == {"commit": (5, 7)}


def _span(trace_id: str, began_ns: int, ended_ns: int) -> TracedSpan:
    return TracedSpan(trace_id, "c" * 16, "", "ingest", "commit", 1, began_ns, ended_ns, {}, False)


def test_rows_have_no_target_and_say_the_bare_figure_of_their_hop() -> None:
    rows = {row.key: row for row in rows_of({"hops": figures_of([journey()] * 30, BARE_US).as_dict()})}

    assert [row.is_met for row in rows.values()] == [None] * (1 + len(HOPS))
    assert rows["hops"].read == "3.70 ms; p99 3.7 ms; bare hops together 0.95 ms"
    assert rows["hops broker"].read == "0.40 ms; p90 0.40 ms; bare 0.20 ms"
    assert rows["hops commit"].read.startswith("2.00 ms; p90 2.00 ms; bare INSERT and COMMIT 0.50 ms, in as many")
