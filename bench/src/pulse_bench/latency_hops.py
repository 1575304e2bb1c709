"""Where the time from publish to frame goes: the same way as `latency`, hop by hop, from the services' own traces.

A stack of its own, with traces on and a collector here: every second reading asks to be recorded, so that it stays below what
services follow of an outsider. Each hop begins where the one before it ended, and all processes read the same clock, so the
hops of a reading add up to what it took. Beside each hop stands what a bare program needs for it (`latency_bare`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pulse_bench.errors import BenchError
from pulse_bench.latency import Site, connected
from pulse_bench.latency_bare import sample_bare_hops
from pulse_bench.stack import Stack
from pulse_contracts.ids import ClientId
from pulse_contracts.streams import TELEMETRY_STREAM
from pulse_contracts.topics import telemetry_live
from pulse_simulator.trace_collector import TraceCollector, TracedSpan

HOPS: Final = {
    "broker": "device → broker → ingest",
    "batch": "ingest: judged, into a batch; handed on once stored",
    "commit": "ingest → PostgreSQL: the transaction, committed",
    "stream": "ingest → Valkey → gateway",
    "gateway": "gateway: decoded, into the sockets' queues",
    "socket": "gateway → client: frame made, written, read",
}
"""In the order of the way. Ingest tells a commit's length once it takes the stored batch over, as if it had just ended: what
lies between is in `batch`."""
BARE: Final = {"broker": "mqtt", "commit": "insert", "stream": "stream", "socket": "socket"}
"""Which bare figure stands beside a hop."""
DEVICES: Final = 100
PER_S: Final = 100.0
WARM_UP_SECONDS: Final = 2.0
_LEAST: Final = 20
_LAST_SPANS_SECONDS: Final = 10.0
_COMMIT: Final = "commit"
_RECEIVED: Final = "process telemetry"
_TAKEN: Final = f"process {TELEMETRY_STREAM}"

Span = tuple[int, int]
"""When it began and when it ended, in nanoseconds since 1970."""


@dataclass(slots=True)
class Journey:
    """One recorded reading: when it left, when the client had it (nanoseconds since 1970), and its spans by name."""

    left_ns: int
    landed_ns: int = 0
    spans: dict[str, Span] = field(default_factory=dict)

    def hops_us(self) -> dict[str, float] | None:
        """Return the microseconds of each hop; None when a step of it is not known."""
        received, commit, taken = (self.spans.get(name) for name in (_RECEIVED, _COMMIT, _TAKEN))
        if received is None or commit is None or taken is None or not self.landed_ns:
            return None
        steps = (self.left_ns, received[0], commit[0], commit[1], taken[0], taken[1], self.landed_ns)
        return {name: (after - before) / 1000 for name, before, after in zip(HOPS, steps[:-1], steps[1:], strict=True)}


@dataclass(frozen=True, slots=True)
class HopFigure:
    """Microseconds of one hop; `bare_us` is the median of a program that does nothing else, None where there is none."""

    name: str
    p50_us: float
    p90_us: float
    bare_us: float | None


@dataclass(frozen=True, slots=True)
class HopFigures:
    """The hops of `readings` recorded readings. `p50_us` is the median of whole journeys, not the sum of medians."""

    readings: int
    p50_us: float
    p99_us: float
    hops: tuple[HopFigure, ...]
    bare_us: dict[str, float]

    @property
    def bare_sum_us(self) -> float:
        """What the bare hops take together: the limit beside which the whole stands."""
        return sum(hop.bare_us for hop in self.hops if hop.bare_us is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a JSON report."""
        return asdict(self) | {"bare_sum_us": self.bare_sum_us}


def figures_of(journeys: Iterable[Journey], bare_us: Mapping[str, float]) -> HopFigures:
    """Return the figures of all journeys that are known from end to end.

    Raises:
        BenchError: hardly any is.
    """
    known = [hops for journey in journeys if (hops := journey.hops_us()) is not None]
    if len(known) < _LEAST:
        raise BenchError(f"only {len(known)} readings could be followed from end to end")
    whole = statistics.quantiles([sum(hops.values()) for hops in known], n=100)
    figures = []
    for name in HOPS:
        cut = statistics.quantiles([hops[name] for hops in known], n=10)
        bare = BARE.get(name)
        figures.append(HopFigure(name, cut[4], cut[8], None if bare is None else bare_us[bare]))
    return HopFigures(len(known), whole[49], whole[98], tuple(figures), dict(bare_us))


def tell(journeys: Mapping[str, Journey], spans: Iterable[TracedSpan]) -> None:
    """Give each journey, which is known by its trace id, the spans of its trace."""
    for span in spans:
        if span.trace_id in journeys:
            journeys[span.trace_id].spans[span.name] = (span.began_ns, span.ended_ns)


async def measure_hops(
    stack: Stack, collector: TraceCollector, *, rounds: int, seconds: float, bare_seconds: float
) -> HopFigures:
    """Follow 100 readings a second of 100 devices, and measure the bare hops, by turns: a disk is not always as fast.

    The stack tells its traces to the collector, and records none of its own accord. `seconds` are those of a round,
    `bare_seconds` of a bare hop in it.

    Raises:
        BenchError: hardly any reading could be followed, or a bare hop could not be measured.
    """
    journeys: dict[str, Journey] = {}
    under_way: dict[tuple[str, int], Journey] = {}
    bare: dict[str, list[float]] = {}
    async with connected(stack, [f"hop-{n:03d}" for n in range(DEVICES)]) as site:
        reader = asyncio.create_task(_read(site, under_way))
        try:
            sequence = 1
            for _ in range(rounds):
                sequence = await _publish(site, {}, {}, seconds=WARM_UP_SECONDS, first=sequence)
                sequence = await _publish(site, journeys, under_way, seconds=seconds, first=sequence)
                for name, samples in (await sample_bare_hops(stack, seconds=bare_seconds)).items():
                    bare.setdefault(name, []).extend(samples)
            await _followed(journeys, under_way, collector)
        finally:
            reader.cancel()
    return figures_of(journeys.values(), {name: statistics.median(samples) for name, samples in bare.items()})


async def _publish(
    site: Site,
    journeys: dict[str, Journey],
    under_way: dict[tuple[str, int], Journey],
    *,
    seconds: float,
    first: int,
) -> int:
    loop = asyncio.get_running_loop()
    rounds = max(1, round(seconds * PER_S / DEVICES))
    due = loop.time()
    for sequence in range(first, first + rounds):
        for number, (device_id, link) in enumerate(site.links.items()):
            due += 1 / PER_S
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            now_ns = time.time_ns()
            message = (telemetry_live(ClientId(device_id)), site.payload(device_id, sequence, now_ns // 1000))
            if number % 2:
                link.publish_nowait(*message)
                continue
            trace_id = secrets.token_hex(16)
            journeys[trace_id] = under_way[device_id, now_ns // 1_000_000] = Journey(now_ns)
            traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
            await link.publish_many([message], qos=0, traceparent=traceparent)
    return first + rounds


async def _read(site: Site, under_way: dict[tuple[str, int], Journey]) -> None:
    async for text in site.socket:
        frame = json.loads(text)
        landed_ns = time.time_ns()
        for device_id, _metric, ts, _value, _quality in frame["rows"] if frame["type"] == "data" else ():
            journey = under_way.pop((device_id, ts), None)
            if journey is not None:
                journey.landed_ns = landed_ns


async def _followed(
    journeys: Mapping[str, Journey], under_way: Mapping[tuple[str, int], Journey], collector: TraceCollector
) -> None:
    """Wait until all have landed and are told of, or for so long that the rest is lost."""
    deadline = asyncio.get_running_loop().time() + _LAST_SPANS_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        tell(journeys, collector.spans())
        if not under_way and all(journey.hops_us() is not None for journey in journeys.values()):
            return
        await asyncio.sleep(0.5)
