"""What the board shows after any frames, and how it is drawn."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pulse_contracts import frames as f
from pulse_contracts.telemetry import MetricValue
from pulse_local.watch.board import DEVICES_SUB, LATEST_SUB, Board, DeviceRow, Freshness, Sort, Value
from pulse_local.watch.live_types import Counters, LinkState, LinkStatus
from pulse_local.watch.screen import View, completeness_text, duration, picture, state_text, value_text

NOW = 1_800_000_000_000


def data(*rows: tuple[str, str, int, MetricValue]) -> f.DataFrame:
    return f.DataFrame(sub=LATEST_SUB, offset="1", rows=[(*row, "good") for row in rows], n=len(rows))


def snapshot(*rows: tuple[str, str, int, MetricValue], last: bool = True) -> f.SnapshotFrame:
    return f.SnapshotFrame(
        sub=LATEST_SUB, epoch="e", offset="1", page=0, last=last, rows=[(*row, "good") for row in rows]
    )


def devices(last: bool = True, **objects: dict[str, Any]) -> f.SnapshotFrame:
    return f.SnapshotFrame(sub=DEVICES_SUB, epoch="e", offset="1", page=0, last=last, set=objects)


def begun(sub: str = LATEST_SUB, recovered: bool | None = None) -> f.AckFrame:
    return f.AckFrame(id=1, sub=sub, recovered=recovered)


def only(board: Board, now_ms: int = NOW) -> DeviceRow:
    (row,) = board.rows(now_ms)
    return row


ROWS = st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(NOW, NOW + 9), st.integers(0, 99))


@given(st.lists(ROWS, unique_by=lambda row: row[:3]), st.randoms())
def test_the_newest_value_is_shown_in_whatever_order_rows_come_and_however_often(rows: Any, chance: Any) -> None:
    board = Board()
    shuffled = rows + rows
    chance.shuffle(shuffled)
    for row in shuffled:
        board.apply(data(row), NOW)
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    for device, metric, ts, value in rows:
        expected[device, metric] = max(expected.get((device, metric), (0, 0)), (ts, value), key=lambda pair: pair[0])
    shown = {(row.device_id, m): (v.ts, v.value) for row in board.rows(NOW) for m, v in row.values.items()}
    assert shown == expected


@pytest.mark.parametrize(
    ("age_ms", "freshness"),
    [
        (0, Freshness.FRESH),
        (1_999, Freshness.FRESH),
        (2_000, Freshness.AGEING),
        (29_999, Freshness.AGEING),
        (30_000, Freshness.STALE),
    ],
)
def test_a_second_by_second_device_ages_and_goes_stale(age_ms: int, freshness: Freshness) -> None:
    board = Board()
    for beat in range(5):
        board.apply(data(("d", "t", NOW + beat * 1000, 1.0)), NOW + beat * 1000)
    assert only(board, NOW + 4000 + age_ms).freshness is freshness


def test_a_slow_device_is_not_called_stale_between_its_readings() -> None:
    board = Board()
    for beat in range(5):
        board.apply(data(("d", "t", NOW + beat * 60_000, 1.0)), NOW + beat * 60_000)
    assert only(board, NOW + 4 * 60_000 + 100_000).freshness is Freshness.FRESH


@pytest.mark.parametrize("skew_ms", [-300_000, 300_000])
def test_a_device_whose_clock_is_wrong_is_fresh_while_it_speaks(skew_ms: int) -> None:
    board = Board()
    for beat in range(10):
        board.apply(data(("d", "t", NOW + skew_ms + beat * 1000, 1.0)), NOW + beat * 1000)
    assert only(board, NOW + 9_500).freshness is Freshness.FRESH
    assert only(board, NOW + 9_000 + 12_000).age_ms == pytest.approx(12_000, abs=1_000)


def test_an_old_snapshot_is_not_fresh() -> None:
    board = Board()
    board.apply(snapshot(("d", "t", NOW - 3_600_000, 1.0)), NOW)
    assert only(board).freshness is Freshness.STALE


def test_offline_is_said_whatever_the_values_age() -> None:
    board = Board()
    board.apply(data(("d", "t", NOW, 1.0)), NOW)
    board.apply(devices(d={"name": "Pump", "status": "OFFLINE", "since": NOW - 5_000}), NOW)
    row = only(board)
    assert (row.name, row.freshness, row.offline_ms) == ("Pump", Freshness.OFFLINE, 5_000)
    board.apply(f.StateFrame(sub=DEVICES_SUB, offset="2", set={"d": {"name": "Pump", "status": "ONLINE"}}), NOW)
    assert only(board).freshness is Freshness.FRESH


def test_a_subscription_begun_afresh_replaces_and_a_resumed_one_does_not() -> None:
    board = Board()
    board.apply(snapshot(("gone", "t", NOW, 1.0)), NOW)
    board.apply(begun(recovered=True), NOW)
    assert only(board).device_id == "gone"
    board.apply(begun(recovered=False), NOW)
    board.apply(snapshot(("new", "t", NOW, 1.0)), NOW)
    assert only(board).device_id == "new"


def test_a_device_that_left_our_view_takes_its_values_with_it() -> None:
    board = Board()
    board.apply(data(("d", "t", NOW, 1.0)), NOW)
    board.apply(devices(d={"name": "d", "status": "ONLINE"}), NOW)
    board.apply(f.StateFrame(sub=DEVICES_SUB, offset="2", **{"del": ["d"]}), NOW)
    assert board.rows(NOW) == []


def test_answered_means_each_snapshot_in_full_or_refused() -> None:
    board = Board()
    board.apply(snapshot(last=False), NOW)
    assert not board.is_answered(LATEST_SUB)
    board.apply(snapshot(), NOW)
    assert board.is_answered(LATEST_SUB)
    refusal = f.ErrorFrame(sub=DEVICES_SUB, code=f.ErrorCode.FORBIDDEN, message="no", retryable=False)
    board.apply(refusal, NOW)
    assert board.is_answered(LATEST_SUB, DEVICES_SUB)
    assert board.refusals == {DEVICES_SUB: "no"}


def test_late_data_is_noted_at_its_device_and_other_gaps_are_counted() -> None:
    board = Board()
    board.apply(data(("d", "t", NOW, 1.0)), NOW)
    board.apply(f.GapFrame(sub=LATEST_SUB, reason=f.GapReason.LATE, from_ts=1, to_ts=2, device_ids=["d", "x"]), NOW)
    board.apply(f.GapFrame(sub=LATEST_SUB, reason=f.GapReason.SLOW, from_ts=1, to_ts=2), NOW)
    assert only(board).late_note
    assert not only(board, NOW + 61_000).late_note
    assert (board.gaps, board.last_gap) == (1, f.GapReason.SLOW)


def test_orders() -> None:
    board = Board()
    board.apply(snapshot(("a", "t", NOW - 1000, 1), ("b", "t", NOW - 9000, 1), ("c", "t", NOW, 1)), NOW)
    board.apply(devices(c={"name": "Alpha", "buffered": 1}, a={"name": "zeta", "buffered": 7}), NOW)
    orders = {sort: [row.device_id for row in board.rows(NOW, sort)] for sort in Sort}
    assert orders == {Sort.NAME: ["c", "b", "a"], Sort.AGE: ["b", "a", "c"], Sort.BUFFERED: ["a", "c", "b"]}
    assert Sort.BUFFERED.next() is Sort.NAME


def drawn(board: Board, link: LinkState = LinkState.LIVE, *, width: int = 140, height: int | None = None) -> str:
    console = Console(width=width, color_system=None, record=True, file=io.StringIO())
    view = View(
        rows=board.rows(NOW),
        metrics=board.metrics(),
        link=LinkStatus(link, "the link broke", 0.0, 13.0 if link is LinkState.WAITING else None),
        counters=Counters(connections=1),
        target="admin at http://gateway",
        rate=12.0,
        monotonic=10.0,
        refusals=["devices: no"] if not board.complete else [],
        width=width,
        height=height,
    )
    console.print(picture(view))
    return console.export_text()


def test_the_picture_says_everything_without_colour() -> None:
    board = Board()
    board.apply(snapshot(("d", "t", NOW - 12_000, 21.5), ("d", "on", NOW - 12_000, True)), NOW)
    report = {"epoch": 1, "cum": 5, "highest": 9, "received": 7, "missing": 2, "lost": 1}
    board.apply(devices(d={"name": "Pump", "status": "ONLINE", "buffered": 1234, "completeness": report}), NOW)
    text = drawn(board)
    for words in (
        "Pump",
        "12 s ago",
        "1,234",
        "2 missing of 9, 1 lost",
        "21.50",
        "yes",
        "live · admin at http://gateway",
    ):
        assert words in text
    narrow = drawn(board, width=80)
    assert "Pump" in narrow
    assert "2 missing" in narrow
    assert max(len(line) for line in drawn(board, width=80, height=24).splitlines()) <= 80


def test_a_lost_link_is_unmistakable() -> None:
    board = Board()
    board.apply(snapshot(("d", "t", NOW, 21.5)), NOW)
    text = drawn(board, LinkState.WAITING)
    assert "NO CONNECTION · the link broke · next attempt in 3 s · what is below is no longer live" in text
    assert "0 s ago" in text
    assert "fresh" not in text


def test_what_does_not_fit_is_counted() -> None:
    board = Board()
    board.apply(snapshot(*((f"d{number}", "t", NOW, 1) for number in range(30))), NOW)
    assert "21 more" in drawn(board, height=14)


def test_a_device_takes_the_lines_that_are_left_for_all_its_values_and_says_what_it_cut() -> None:
    board = Board()
    board.apply(snapshot(*(("d", f"metric_{number:02d}", NOW, number) for number in range(20))), NOW)
    tall, low = drawn(board, width=140, height=30), drawn(board, width=140, height=7)
    assert all(f"metric_{number:02d} {number}" in tall for number in range(20))
    assert "metric_00 0" in low
    assert "metric_19" not in low
    assert "…" in low
    for text, height in ((tall, 30), (low, 7)):
        assert len(text.rstrip("\n").splitlines()) < height


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"), (False, "no"), (1234567, "1,234,567"), (21.456, "21.46"), (0.0, "0.00"), (1e-5, "1e-05"),
        (1e12, "1e+12"), ("idle", "idle"), ("\x1b[31mred\n", "·[31mred·"), ("x" * 40, "x" * 23 + "…"),
    ],
)  # fmt: skip
def test_values_are_short_and_harmless(value: MetricValue, shown: str) -> None:
    assert value_text(Value(0, value, "good")) == shown
    assert value_text(Value(0, value, "suspect")) == shown + "?"


@pytest.mark.parametrize(
    ("ms", "words"), [(0, "0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 d")]
)
def test_durations_read_well(ms: int, words: str) -> None:
    assert duration(ms) == words


def test_completeness_in_words() -> None:
    assert completeness_text(None).plain == "—"
    assert completeness_text({"received": 1000, "missing": 0, "lost": 0}).plain == "complete, 1,000"
    assert completeness_text({"received": 7, "missing": 0, "lost": 3}).plain == "complete, 7, 3 lost"


def test_each_freshness_has_a_word_and_a_sign_of_its_own() -> None:
    rows = [DeviceRow("d", "d", freshness, 12_000, None, None, None, {}, late_note=False) for freshness in Freshness]
    texts = [state_text(row).plain for row in rows]
    assert len({text[0] for text in texts}) == len({text[2:] for text in texts}) == len(Freshness)
