"""The batcher: whatever arrives in whatever order, each sequence is claimed once, and nothing is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.ids import ClientId
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.domain.reading import Content, Losses, OverLimit, PlainReading, RefusedRow, Run
from pulse_ingest.domain.series_limit import refuse_new_metrics

REFUSAL = Refusal(RejectionCode.BAD_VALUE, "bad")


def message(content: Content, client: str = "D", at: int = 0) -> Message:
    return Message(ClientId(client), "t", "buffer", b"raw", at, None, content)


def run(first: int, count: int, epoch: int = 1, mark: float = 0.0) -> Run:
    return Run(epoch, [(first, [(number, {"a": mark}) for number in range(first, first + count)])])


runs = st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(1, 30), st.integers(1, 8)), max_size=20)


@given(runs)
def test_each_sequence_is_claimed_once_by_its_first_arrival(arrivals: list[tuple[str, int, int]]) -> None:
    batch = Batch()
    expected: dict[str, dict[int, float]] = {"A": {}, "B": {}}
    for number, (client, first, count) in enumerate(arrivals):
        batch.add(message(run(first, count, mark=float(number)), client))
        for sequence in range(first, first + count):
            expected[client].setdefault(sequence, float(number))

    for (client, _), claim in batch.claims.items():
        held = [
            (first + place, metrics["a"], at)
            for first, rows, _ in claim.chunks
            for place, (at, metrics) in enumerate(rows)
        ]
        assert {sequence: mark for sequence, mark, _ in held} == expected[client]
        assert len(held) == len(expected[client])
        assert all(sequence == at for sequence, _, at in held)
        assert claim.received.count == len(held)
        assert claim.received == Ranges.from_any(claim.spans)
        head = claim.head()
        assert head is not None
        assert head[0] == claim.received.highest
    total = sum(count for _, _, count in arrivals)
    assert batch.readings == total
    assert batch.duplicates == total - sum(len(marks) for marks in expected.values())


@given(runs, st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=4))
def test_rows_the_ledger_has_are_cut_out_and_no_others(
    arrivals: list[tuple[str, int, int]], held: list[tuple[int, int]]
) -> None:
    known = Ranges.from_any((low, low + more) for low, more in held)
    batch = Batch()
    for client, first, count in arrivals:
        batch.add(message(run(first, count), client))
    for claim in batch.claims.values():
        left = [first + place for first, rows, _ in claim.without(known) for place in range(len(rows))]
        assert Ranges.from_any((sequence, sequence) for sequence in left) == claim.received - known
        assert len(left) == (claim.received - known).count


def test_refused_rows_settle_their_sequences_and_keep_their_neighbours() -> None:
    partly = Run(3, [(10, [(1, {"a": 1})]), (12, [(2, {"a": 2})])], [RefusedRow(11, REFUSAL, b"[]")])
    batch = Batch.of([message(partly)])
    (claim,) = batch.claims.values()
    assert claim.spans == [(10, 10), (12, 12)]
    assert claim.rejected == [11]
    assert [(row.epoch, row.sequence_no, row.raw) for row in batch.rejected] == [(3, 11, b"[]")]


def test_every_kind_of_message_finds_its_place() -> None:
    batch = Batch.of(
        [
            message(run(1, 2)),
            message(PlainReading(0, 5, {"a": 1})),
            message(Losses(1, [(4, 9, "quota")])),
            message(OverLimit(1)),
            message(REFUSAL),
        ]
    )
    assert len(batch) == 5
    assert batch.plain == [("D", 0, 5, {"a": 1}, 0)]
    assert batch.claims["D", 1].lost == [(4, 9, "quota")]
    assert batch.limited == {("D", 1)}
    assert [row.raw for row in batch.rejected] == [b"raw"]
    assert batch.outcomes == {("buffer", "accepted"): 3, ("buffer", "deferred"): 1, ("buffer", "rejected"): 1}


def test_readings_with_metrics_beyond_the_limit_are_refused_alone() -> None:
    mixed = Run(1, [(1, [(1, {"a": 1}), (2, {"new": 1}), (3, {"a": 2})])])
    judged = refuse_new_metrics(mixed, {"a"})
    assert isinstance(judged, Run)
    assert judged.parts == [(1, [(1, {"a": 1})]), (3, [(3, {"a": 2})])]
    assert judged.refused is not None
    assert [row.sequence_no for row in judged.refused] == [2]
    assert isinstance(refuse_new_metrics(PlainReading(0, 1, {"new": 1}), {"a"}), Refusal)
