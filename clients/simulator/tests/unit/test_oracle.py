"""The witness must notice each fault that it is there for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_simulator.oracle import Comparison, OracleLog, OracleRecord, StoredValue, Verdict
from pulse_simulator.waveforms import Value


def record_of(*lines: str) -> OracleRecord:
    record = OracleRecord()
    for line in lines:
        record.add(line + "\n")
    return record


def judge(record: OracleRecord, *rows: StoredValue, lost: dict[str, list[tuple[int, int]]] | None = None) -> Verdict:
    comparison = Comparison(record, lost)
    for row in rows:
        comparison.take(row)
    return comparison.finish()


ACCEPTED = ("I a - 10 temp 1.5", "I a - 10 on true", "C a 1 10")
STORED = (StoredValue("a", 10, "temp", 1.5, 3, 1), StoredValue("a", 10, "on", True, 3, 1))


def test_what_was_accepted_and_stored_once_agrees() -> None:
    verdict = judge(record_of(*ACCEPTED), *STORED)
    assert verdict.agrees
    assert (verdict.intended, verdict.accepted, verdict.persisted) == (2, 2, 2)


def test_an_accepted_value_that_is_not_stored_is_missing() -> None:
    verdict = judge(record_of(*ACCEPTED), STORED[0])
    assert (verdict.missing, verdict.agrees) == (1, False)
    assert verdict.examples == {"missing": ["a 10 on"]}


def test_a_declared_loss_is_not_missing_but_counted() -> None:
    verdict = judge(record_of(*ACCEPTED), lost={"a": [(1, 4)]})
    assert (verdict.missing, verdict.declared_lost, verdict.agrees) == (0, 2, True)


def test_an_intent_without_acceptance_may_be_stored_or_not() -> None:
    record = ("I a - 10 temp 1.5", "I a - 20 temp 1.5")
    verdict = judge(record_of(*record), StoredValue("a", 20, "temp", 1.5))
    assert verdict.agrees
    assert verdict.unconfirmed_persisted == 1


def test_the_same_value_stored_twice_is_a_duplicate() -> None:
    verdict = judge(record_of(*ACCEPTED), *STORED, StoredValue("a", 10, "on", True, 4, 2))
    assert (verdict.duplicates, verdict.agrees) == (1, False)


def test_one_ledgered_sequence_under_two_moments_is_a_duplicate() -> None:
    record = record_of(*ACCEPTED, "I a - 20 temp 2.5", "C a 2 20")
    assert judge(record, *STORED, StoredValue("a", 20, "temp", 2.5, 3, 1)).duplicates == 1


def test_a_plain_device_may_start_again_at_one() -> None:
    record = record_of("I p 1 10 temp 1", "C p 1 10", "I p 1 20 temp 2", "C p 1 20")
    assert judge(record, StoredValue("p", 10, "temp", 1.0, 0, 1), StoredValue("p", 20, "temp", 2.0, 0, 1)).agrees


def test_a_row_from_nowhere_is_unexpected() -> None:
    verdict = judge(record_of(*ACCEPTED), *STORED, StoredValue("a", 11, "on", True))
    assert (verdict.unexpected, verdict.agrees) == (1, False)


@pytest.mark.parametrize(
    ("intended", "stored"), [("1", True), ("true", 1.0), ("1.5", 1.25), ('"x"', "y"), ("1", None), ('"1"', 1.0)]
)
def test_a_changed_value_is_noticed(intended: str, stored: Value | None) -> None:
    verdict = judge(record_of(f"I a - 10 m {intended}", "C a 1 10"), StoredValue("a", 10, "m", stored))
    assert (verdict.wrong_value, verdict.agrees) == (1, False)


@pytest.mark.parametrize("line", ["", "X a 1 10", "I a - ten temp 1", "I a - 10 temp {", "C a 1", "I a - 10 temp"])
def test_an_unreadable_line_is_never_overlooked(line: str) -> None:
    verdict = judge(record_of(line))
    assert (verdict.unreadable_lines, verdict.agrees) == (1, False)


def test_two_intents_under_one_key_are_never_overlooked() -> None:
    assert not judge(record_of(*ACCEPTED, ACCEPTED[0]), *STORED).agrees


VALUES = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(metrics=st.dictionaries(st.sampled_from(["a.b", "t", "x:y"]), VALUES, min_size=1))
def test_what_is_written_is_read_back(metrics: dict[str, Value], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("oracle") / "deep" / "oracle.log"
    with OracleLog(path) as log:
        log.intend("c", 5, metrics)
        log.accepted("c", 5, 17)
    record = OracleRecord.read([path])
    assert record.unreadable == 0
    assert record.intended == {("c", 5, metric): value for metric, value in metrics.items()}
    assert record.accepted == {("c", 5): 17}


def test_a_torn_last_line_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "oracle.log"
    path.write_text("I a - 10 temp 1.5\nC a 1 1")
    record = OracleRecord.read([path])
    assert (len(record.intended), record.accepted, record.unreadable) == (1, {}, 0)


def test_two_writers_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "oracle.log"
    with OracleLog(path) as first, OracleLog(path) as second:
        first.intend("a", 1, {"m": 1})
        second.intend("b", 1, {"m": 2})
        first.accepted("a", 1)
    record = OracleRecord.read([path])
    assert record.clients() == {"a": 1, "b": 1}
    assert record.accepted == {("a", 1): None}
