"""The table of targets: what each figure says, whether it is met, and how it stands to an earlier one.

Never does: measure. A row is made of a file's figures alone, so that the table of the README, of a report and of the terminal
are the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pulse_bench.latency_hops import HOPS

ALONE_SPREAD: Final = 0.1
"""A figure that was read once is taken to be this uncertain when it is compared with another."""
Figures = Any


class Trend(StrEnum):
    """How a figure stands to an earlier one."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the values of its runs in `unit`, the limit that their median is held against, and what stands beside it.

    `is_floor` says that more is better. A row without a limit is there to be compared with. `form` is how a value is written.
    """

    key: str
    what: str
    values: tuple[float, ...]
    limit: float | None
    unit: str = ""
    is_floor: bool = False
    beside: str = ""
    form: str = ",.1f"
    target: str = ""

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the target holds; None when there is none."""
        if self.limit is None:
            return None
        return self.median >= self.limit if self.is_floor else self.median <= self.limit

    @property
    def read(self) -> str:
        """The figure as text: the median, the spread, and what stands beside it."""
        text = self._show(self.median)
        if len(self.values) > 1:
            text += f" ({min(self.values):{self.form}} to {max(self.values):{self.form}})"
        return text + (f"; {self.beside}" if self.beside else "")

    @property
    def wanted(self) -> str:
        """The target as text."""
        if self.target or self.limit is None:
            return self.target or "–"
        return f"{'≥' if self.is_floor else '≤'} {self._show(self.limit, ',g')}"

    @property
    def share(self) -> float | None:
        """How much of the target is reached, 1 when just met, more when better; None without a target."""
        if self.limit is None or not self.median or not self.limit:
            return None
        return self.median / self.limit if self.is_floor else self.limit / self.median

    def trend(self, before: Row) -> Trend:
        """Say whether this is better or worse than before, beyond the spread of both."""
        low, high = _range(self)
        low_before, high_before = _range(before)
        if low > high_before:
            return Trend.BETTER if self.is_floor else Trend.WORSE
        if high < low_before:
            return Trend.WORSE if self.is_floor else Trend.BETTER
        return Trend.SAME

    def _show(self, value: float, form: str | None = None) -> str:
        return f"{value:{form or self.form}}{f' {self.unit}' if self.unit else ''}"


def _range(row: Row) -> tuple[float, float]:
    if len(row.values) == 1:
        around = abs(row.values[0]) * ALONE_SPREAD
        return row.values[0] - around, row.values[0] + around
    return min(row.values), max(row.values)


def _each(runs: Sequence[Mapping[str, Any]], name: str) -> tuple[float, ...]:
    return tuple(float(run[name]) for run in runs)


def _middle(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return statistics.median(_each(runs, name))


def _ingest(found: Figures) -> list[Row]:
    runs = found["runs"]
    beside = f"{_middle(runs, 'durable_per_s'):,.0f} of {_middle(runs, 'raw_per_s'):,.0f} messages/s"
    return [
        Row("ingest", "durable ingest ÷ raw limit", _each(runs, "ratio"), 0.70, "", True, beside, ".2f"),
    ]


def _scale(found: Figures) -> list[Row]:
    beside = (
        f"{_middle(found, 'two_per_s'):,.0f} for {_middle(found, 'one_per_s'):,.0f} messages/s; "
        f"{_middle(found, 'two_cpu_us'):.0f} µs of ingest a message for {_middle(found, 'one_cpu_us'):.0f}"
    )
    what = "two ingest processes ÷ one, on cores that all share"
    return [Row("scale", what, _each(found, "ratio"), None, "", True, beside, ".2f")]


def _peers(found: Figures) -> list[Row]:
    rows = []
    for peer in found["peers"]:
        if peer["runs"]:
            per_s = f"{_middle(peer['runs'], 'per_s'):,.0f} messages/s"
            ratios = _each(peer["runs"], "ratio")
            rows.append(
                Row(f"peer {peer['name']}", f"… {peer['title']} ÷ raw limit", ratios, None, "", True, per_s, ".2f")
            )
    return rows


def _drain(found: Figures) -> list[Row]:
    beside = f"a broker's queue, by a C subscriber: {_middle(found, 'queue_per_s'):,.0f} messages/s"
    what = f"drain of {found[0]['agents']} agents' outboxes, into the table"
    return [Row("drain", what, _each(found, "readings_per_s"), 100_000, "readings/s", True, beside, ",.0f")]


def _backlog(found: Figures) -> list[Row]:
    what = f"one agent's backlog of {found[0]['readings']:,}"
    live = {name: statistics.median(run["live"][name] for run in found) for name in ("p50_ms", "p99_ms")}
    alone = statistics.median(run["live_alone"]["p99_ms"] for run in found)
    missing = sum(run["not_shown"] for run in found)
    beside = f"p50 {live['p50_ms']:,.0f} ms; without a backlog p99 {alone:,.0f} ms; {missing} not shown"
    p99 = tuple(float(run["live"]["p99_ms"]) for run in found)
    return [
        Row("backlog", what, _each(found, "drained_per_s"), 8_000, "readings/s", True, form=",.0f"),
        Row("backlog live", "… live latency meanwhile, p99", p99, 1_000, "ms", beside=beside, form=",.0f"),
    ]


def _outbox(found: Figures) -> list[Row]:
    beside = f"one by one {_middle(found, 'single_per_s'):,.0f}, bare SQLite {_middle(found, 'bare_per_s'):,.0f}"
    values = _each(found, "grouped_per_s")
    return [Row("outbox", "outbox of an agent, in groups of 100", values, 10_000, "readings/s", True, beside, ",.0f")]


def _latency(found: Figures) -> list[Row]:
    rows = []
    for per_s, p50, p99 in ((100.0, 3.0, 15.0), (1_000.0, None, 20.0)):
        runs = [run for run in found if round(run["readings_per_s"]) == per_s]
        if not runs:
            continue
        name = f"publish → socket, {runs[0]['devices']} devices, {per_s:,.0f} readings/s"
        lost = sum(run["lost"] for run in runs)
        rows += [
            Row(f"latency {per_s:g} p50", f"{name}: p50", _each(runs, "p50_ms"), p50, "ms", form=".1f"),
            Row(
                f"latency {per_s:g} p99",
                "… p99",
                _each(runs, "p99_ms"),
                p99,
                "ms",
                beside=f"{lost} not shown",
                form=".1f",
            ),
        ]
    return rows


def _hops(found: Figures) -> list[Row]:
    bare = {name: f"{us / 1000:.2f}" for name, us in found["bare_us"].items()}
    insert = f"; bare INSERT and COMMIT {bare['insert']} ms, in as many round trips {bare['transaction']}"
    besides = {"commit": f"{insert}; a round trip {bare['round_trip']}, the disk's flush {bare['flush']}"}
    limit = f"p99 {found['p99_us'] / 1000:.1f} ms; bare hops together {found['bare_sum_us'] / 1000:.2f} ms"
    rows = [
        Row(
            "hops",
            "one reading followed, 100 readings/s: p50",
            (found["p50_us"] / 1000,),
            None,
            "ms",
            beside=limit,
            form=".2f",
        )
    ]
    for hop in found["hops"]:
        plain = "" if hop["bare_us"] is None else f"; bare {hop['bare_us'] / 1000:.2f} ms"
        beside = f"p90 {hop['p90_us'] / 1000:.2f} ms{besides.get(hop['name'], plain)}"
        name = f"… {HOPS[hop['name']]}"
        rows.append(Row(f"hops {hop['name']}", name, (hop["p50_us"] / 1000,), None, "ms", beside=beside, form=".2f"))
    return rows


def _fanout(found: Figures) -> list[Row]:
    runs, memory = found["runs"], found["memory"]
    gateway, bare = [run["gateway"] for run in runs], [run["bare"] for run in runs]
    one = gateway[0]
    cost = (
        f"{_middle(gateway, 'cpu_us_per_frame'):.0f} µs a frame; bare FastAPI loop {_middle(bare, 'core'):.2f} core, "
        f"{_middle(bare, 'cpu_us_per_frame'):.0f} µs"
    )
    delay = f"p50 {_middle(gateway, 'p50_ms'):.0f}; bare loop p99 {_middle(bare, 'p99_ms'):.0f} ms"
    grown = memory["full_mib"] - memory["empty_mib"]
    held = f"{memory['empty_mib']:.0f} → {memory['full_mib']:.0f} MiB"
    name = f"gateway, {one['sockets']} dashboards × {one['frames_per_s'] / one['sockets']:.0f} Hz × {one['frame_bytes']:,} B"
    return [
        Row("fanout core", name, _each(gateway, "core"), 0.25, "core", beside=cost, form=".2f"),
        Row("fanout p99", "… p99", _each(gateway, "p99_ms"), 150, "ms", beside=delay, form=".0f"),
        Row(
            "fanout memory", f"… memory for {memory['sockets']:,} sockets", (grown * 1.048576,), 120, "MB", beside=held
        ),
    ]


def _storm(found: Figures) -> list[Row]:
    rows = []
    for kind, name in (("cut", "all lines cut at once"), ("killed", "gateway killed, from when it is there again")):
        runs = [run for run in found if run["kind"] == kind]
        if runs:
            sockets = runs[0]["sockets"]
            more = (
                f"p50 {_middle(runs, 'p50_s'):.1f} s from the loss, {sum(r['unrecovered'] for r in runs)} not recovered"
            )
            values = _each(runs, "after_served_s")
            rows.append(
                Row(
                    f"storm {kind}",
                    f"{sockets} dashboards, {name}: all resumed",
                    values,
                    5,
                    "s",
                    beside=more,
                    form=".1f",
                )
            )
    lost, events = sum(run["lost"] for run in found), sum(run["events"] * run["sockets"] for run in found)
    rows.append(Row("storm lost", f"… events lost, of {events:,}", (float(lost),), 0, "", form=".0f", target="0"))
    return rows


def _growth(found: Figures) -> list[Row]:
    rows = []
    for key, counted, name in (("devices", "devices", "devices"), ("table", "table_rows", "rows in the table")):
        runs = found[key]
        if len(runs) > 1:
            costs = _each(runs, "total_us")
            beside = ", ".join(f"{run[counted]:,}: {cost:.0f} µs" for run, cost in zip(runs, costs, strict=True))
            what = f"cost of a reading: {runs[-1][counted]:,} {name} ÷ {runs[0][counted]:,}"
            # "flat" has no number in the targets: half as much again is what the noise of CPU times allows to tell.
            ratio = (costs[-1] / costs[0],)
            rows.append(Row(f"growth {key}", what, ratio, 1.5, "", beside=beside, form=".2f", target="flat (≤ 1.5)"))
    return rows


def _agent(found: Figures) -> list[Row]:
    runs = found if isinstance(found, list) else [found]
    megabytes = tuple(run["rss_mib"] * 1.048576 for run in runs)
    return [
        Row("agent memory", "agent at 1 Hz", megabytes, 60, "MB"),
        Row("agent cpu", "…", _each(runs, "cpu_percent"), 1, "% of a core", form=".2f"),
    ]


def _desktop(found: Figures) -> list[Row]:
    what = f"a window open for {found[0]['readings']:,} readings: memory grows by"
    beside = f"{found[0]['before_mib'] * 1.048576:.0f} MB before"
    grown = tuple(run["growth_mib"] * 1.048576 for run in found)
    return [Row("desktop growth", what, grown, 20, "MB", beside=beside)]


def _auth(found: Figures) -> list[Row]:
    rows = []
    for figure in found["sign_ins"]:
        what = f"p99 with 200 sign-ins at once ÷ idle, {figure['service']}"
        rows.append(Row(f"auth {figure['service']}", what, _each(figure["rounds"], "ratio"), 3, form=".2f"))
    verify = found["verify"]
    again = f"again {verify['again_us']:.1f} µs"
    rows.append(Row("auth verify", "verifying a token the first time", (verify["first_us"],), 150, "µs", False, again))
    return rows


def _history(found: Figures) -> list[Row]:
    few, many = found["small"], found["full"]
    there = f"{many['rows']:,} readings in the table"
    rows = []
    for key, what, limit in (
        ("chart", f"30 days of a 1 Hz series as 1,000 points, p95, {there}", 150.0),
        ("page", "a raw page of 500 behind 29 days, p95", 50.0),
    ):
        old, new = few[key], many[key]
        beside = f"p50 {new['p50_ms']:.0f} ms"
        rows.append(Row(f"history {key}", what, (new["p95_ms"],), limit, "ms", beside=beside, form=".0f"))
        ratio = (new["p95_ms"] / old["p95_ms"],)
        rows.append(Row(f"history {key} ratio", f"… ÷ that with {few['rows']:,}", ratio, 3, form=".2f"))
    export = many["export"]
    grew = f"memory {export['rss_before_mib']:.1f} MiB before, at most {export['rss_most_mib']:.1f}"
    beside = f"COPY alone {export['copy_rows_per_s']:,.0f}; {grew}"
    values = (export["rows_per_s"],)
    rows.append(Row("history export", "export as CSV", values, 300_000, "rows/s", True, beside, ",.0f"))
    return rows


def _alerts(found: Figures) -> list[Row]:
    without, with_rules = found[0], found[-1]
    beside = f"{with_rules['cpu_us_per_reading']:.1f} µs a reading, without a rule {without['cpu_us_per_reading']:.1f}"
    what = f"{with_rules['rules']:,} rules at 5,000 readings/s"
    values = (with_rules["core_percent_at_rate"],)
    return [Row("alerts", what, values, 10, "% of a core", beside=beside)]


def _sync(found: Figures) -> list[Row]:
    agents, spread, behind = found["agents"], found["spread"], found["catch_up"]
    real = tuple(run["p99_ms"] / 1000 for run in agents)
    simulated = tuple(run["max_ms"] / 1000 for run in spread)
    name = f"a role's change on {agents[0]['desktops']:,} real agents, their own report included: p99"
    return [
        Row("sync agents", name, real, 1, "s", form=".2f"),
        Row("sync desktops", f"… on {spread[0]['desktops']:,} simulated desktops: all", simulated, 1, "s", form=".2f"),
        Row("sync behind", f"a desktop {behind['rows']:,} rows behind", (behind["seconds"],), 10, "s"),
    ]


SECTIONS: Final[Mapping[str, Callable[[Figures], list[Row]]]] = {
    "ingest": _ingest,
    "peers": _peers,
    "scale": _scale,
    "drain": _drain,
    "backlog": _backlog,
    "latency": _latency,
    "hops": _hops,
    "fanout": _fanout,
    "storm": _storm,
    "history": _history,
    "sync": _sync,
    "agent": _agent,
    "desktop": _desktop,
    "outbox": _outbox,
    "growth": _growth,
    "alerts": _alerts,
    "auth": _auth,
}
"""Every section of the table, in its order."""


def rows_of(figures: Mapping[str, Any]) -> list[Row]:
    """Return the lines of all sections that were read."""
    return [row for name, make in SECTIONS.items() if name in figures for row in make(figures[name])]


def trends(rows: Sequence[Row], before: Mapping[str, Any]) -> dict[str, tuple[Row, Trend]]:
    """Return for each row that was read earlier, too, the earlier one and how this one stands to it."""
    earlier = {row.key: row for row in rows_of(before)}
    return {row.key: (earlier[row.key], row.trend(earlier[row.key])) for row in rows if row.key in earlier}
