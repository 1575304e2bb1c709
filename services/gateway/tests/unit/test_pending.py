"""Conflation never loses the newest, and a snapshot with its changes is always the state."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_contracts.streams import LateSpan
from pulse_gateway.domain.late import LateSpans
from pulse_gateway.domain.pending import LatestPending, RawPending, StatePending, rows_pages, set_pages
from pulse_gateway.domain.stream_id import START, StreamId
from pulse_gateway.domain.telemetry import LatestValues, Reading
from pulse_gateway.domain.ticks import LatestTick, RawTick, StateTick

keys = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "y"]))
AT = StreamId(1, 0)


def row(device: str, metric: str, ts: int, value: Any = 1.0) -> Any:
    return (device, metric, ts, value, "good")


def drained(pending: Any, current: StreamId = START) -> list[tuple[str, dict[str, Any], StreamId | None]]:
    frames = []
    while (parcel := pending.take(current)) is not None:
        frames.append((parcel.kind, json.loads("{" + parcel.body), parcel.offset))
        current = parcel.offset or current
    assert not pending
    return frames


def latest_tick(n: int, rows: dict[Any, Any], count: int | None = None) -> LatestTick:
    return LatestTick(StreamId(n, 0), rows, count or len(rows), LateSpans())


@given(st.lists(st.one_of(keys, st.none()), max_size=60))
def test_the_newest_of_each_key_always_arrives(script: list[tuple[str, str] | None]) -> None:
    pending, told, newest, total, counted = LatestPending(), {}, {}, 0, 0
    for n, key in enumerate(script, start=1):
        if key is None:
            parcel = pending.take(START)
            frames = [json.loads("{" + parcel.body)] if parcel else []
        else:
            newest[key] = n
            total += 1
            pending.absorb(latest_tick(n, {key: row(*key, n)}), START)
            frames = []
        for frame in frames:
            told |= {(r[0], r[1]): r[2] for r in frame["rows"]}
            counted += frame["n"]
    for _, frame, _ in drained(pending):
        told |= {(r[0], r[1]): r[2] for r in frame["rows"]}
        counted += frame["n"]
    assert told == newest
    assert counted == total


def test_a_large_backlog_goes_out_in_frames_and_only_the_last_raises_the_offset() -> None:
    pending = LatestPending()
    pending.absorb(latest_tick(9, {("d", str(n)): row("d", str(n), n) for n in range(1200)}, 5000), START)
    frames = drained(pending, StreamId(3, 0))
    assert [len(frame["rows"]) for _, frame, _ in frames] == [500, 500, 200]
    assert [frame["offset"] for _, frame, _ in frames] == ["3-0", "3-0", "9-0"]
    assert sum(frame["n"] for _, frame, _ in frames) == 5000


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9)), st.booleans())))
def test_applied_changes_are_the_state(script: list[tuple[str, int | None, bool]]) -> None:
    state: dict[str, int] = {}
    seen: dict[str, int] = {}
    pending = StatePending()

    def apply(frames: list[tuple[str, dict[str, Any], StreamId | None]]) -> None:
        for _, frame, _ in frames:
            seen.update(frame["set"])
            for key in frame["del"]:
                seen.pop(key, None)

    for n, (key, value, is_drained) in enumerate(script, start=1):
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
        pending.absorb(StateTick(StreamId(n, 0), {key: None if value is None else str(value)}), START)
        if is_drained:
            apply(drained(pending))
    apply(drained(pending))
    assert seen == state


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.integers(0, 40))
def test_raw_rows_keep_their_order_and_what_was_known_is_not_told_again(sizes: list[int], known: int) -> None:
    pending = RawPending()
    batches = [(StreamId(n, 0), [row("d", "m", n * 10 + i) for i in range(size)]) for n, size in enumerate(sizes, 1)]
    pending.absorb(RawTick(batches[-1][0], batches, LateSpans()), StreamId(known, 0))
    told = [r[2] for _, frame, _ in drained(pending) for r in frame["rows"]]
    assert told == [r[2] for offset, rows in batches if offset.ms > known for r in rows]


@settings(max_examples=25)
@given(st.integers(3_000, 9_000), st.integers(1, 7))
def test_raw_above_its_bound_is_thinned_to_the_newest_and_says_so(count: int, metrics: int) -> None:
    pending = RawPending()
    for n in range(1, count + 1):
        batch = [row("device-1", f"metric-{n % metrics}", n)]
        pending.absorb(RawTick(StreamId(n, 0), [(StreamId(n, 0), batch)], LateSpans()), START)
    frames = drained(pending)
    rows = [r for kind, frame, _ in frames if kind == "data" for r in frame["rows"]]
    gaps = [frame for kind, frame, _ in frames if kind == "gap"]
    lost = sum(gap["count"] for gap in gaps)
    assert len(rows) + lost == count
    assert {r[1]: r[2] for r in rows} == {f"metric-{n % metrics}": n for n in range(count - metrics + 1, count + 1)}
    assert bool(gaps) == bool(lost)
    assert all(gap["reason"] == "slow" and gap["device_ids"] == ["device-1"] for gap in gaps)
    assert frames[-1][2] == StreamId(count, 0)
    thinned = set(range(1, count + 1)) - {r[2] for r in rows}
    assert all(gap["from_ts"] <= min(thinned) and gap["to_ts"] >= max(thinned) for gap in gaps)


def test_what_may_not_be_seen_any_more_is_dropped_from_every_backlog() -> None:
    raw, latest, state = RawPending(), LatestPending(), StatePending()
    late = LateSpans()
    late.add(LateSpan(device_id="mine", from_ms=1, to_ms=2, count=1))
    late.add(LateSpan(device_id="theirs", from_ms=1, to_ms=2, count=1))
    both = [row("mine", "m", 1), row("theirs", "m", 1)]
    raw.absorb(RawTick(AT, [(AT, both)], late), START)
    latest.absorb(LatestTick(AT, {(r[0], r[1]): r for r in both}, 2, late), START)
    state.absorb(StateTick(AT, {"mine": "{}", "theirs": '{"name":"secret"}'}), START)
    for pending in (raw, latest, state):
        pending.drop({"theirs"})
    for pending in (raw, latest):
        assert "theirs" not in json.dumps(drained(pending), default=str)
    (_, frame, _), *_ = drained(state)
    assert frame["set"] == {"mine": {}}
    assert frame["del"] == ["theirs"]


def test_late_spans_are_told_before_any_offset_behind_them() -> None:
    late = LateSpans()
    for n in range(3):
        late.add(LateSpan(device_id=f"d{n}", from_ms=n, to_ms=n + 10, count=2))
        late.add(LateSpan(device_id=f"d{n}", from_ms=n - 5, to_ms=n + 2, count=1))
    pending = LatestPending()
    pending.absorb(LatestTick(AT, {("d", "m"): row("d", "m", 1)}, 1, late), START)
    kinds = [kind for kind, _, _ in drained(pending)]
    assert kinds == ["gap", "gap", "gap", "data"]


def test_a_fleet_of_late_devices_is_one_gap_that_covers_all() -> None:
    late = LateSpans()
    for n in range(150):
        late.add(LateSpan(device_id=f"d{n}", from_ms=100 - n, to_ms=100 + n, count=1))
    (gap,) = [json.loads("{" + body) for body in late.bodies()]
    assert (gap["from_ts"], gap["to_ts"], gap["count"], len(gap["device_ids"])) == (-49, 249, 150, 150)


@given(st.lists(st.text(max_size=200), max_size=1200))
@settings(max_examples=20)
def test_pages_of_a_snapshot_hold_everything_within_the_limits(texts: list[str]) -> None:
    rows = [row("d", "m", n, text) for n, text in enumerate(texts)]
    pages = list(rows_pages(rows))
    assert [json.loads(f"[{page}]") for page in pages]
    assert all(len(page.encode()) <= 64 * 1024 for page in pages)
    assert [tuple(r) for page in pages for r in json.loads(f"[{page}]")] == rows
    objects = [(str(n), json.dumps(text)) for n, text in enumerate(texts)]
    merged: dict[str, str] = {}
    for page in set_pages(objects):
        merged |= json.loads(f"{{{page}}}")
    assert merged == {str(n): text for n, text in enumerate(texts)}


@given(st.lists(st.tuples(keys, st.integers(0, 50)), max_size=60))
def test_the_latest_value_is_the_newest_and_of_equals_the_later(script: list[tuple[tuple[str, str], int]]) -> None:
    values = LatestValues()
    best: dict[tuple[str, str], tuple[int, int]] = {}
    for n, ((device, metric), order) in enumerate(script):
        values.apply(Reading(device, order, (row(device, metric, order, n),)))
        if order >= best.get((device, metric), (-1, 0))[0]:
            best[(device, metric)] = (order, n)
    found = {(r[0], r[1]): (r[2], r[3]) for d in values.device_ids() for r in values.rows_of(d)}
    assert found == best
