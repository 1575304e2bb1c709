"""Each invariant is seen holding, and seen failing when the one thing it is about is wrong."""

from collections.abc import Callable

import pytest

from pulse_chaos.invariants import MOST_MEMORY_MIB, SENTENCES, CommandFate, Evidence, Invariant, broken, judge


def good() -> Evidence:
    return Evidence(
        accepted=100,
        persisted=98,
        declared_lost=2,
        acks_seen=10,
        drain_seconds=3.0,
        drain_deadline=90.0,
        lost_edits=["op-1"],
        logged_losers=["op-1", "op-2"],
        commands=[CommandFate("a", "succeeded", 1), CommandFate("b", "expired", 0), CommandFate("c", "unknown", 1)],
        secrets_known=5,
        most_memory_mib={"ingest": 120.0},
    )


def changed(**fields: object) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        for name, value in fields.items():
            setattr(evidence, name, value)

    return change


WRONG = [
    (Invariant.COMPLETE, changed(missing=["agent 1 temperature"])),
    (Invariant.COMPLETE, changed(accepted=0)),
    (Invariant.COMPLETE, changed(holes=["agent lacks 3"])),
    (Invariant.NO_DUPLICATE, changed(duplicates=["agent 1 temperature"])),
    (Invariant.NOTHING_FOREIGN, changed(foreign=["unexpected agent 1 forged"])),
    (Invariant.ACK_AFTER_COMMIT, changed(uncommitted_acks=["probe 7"])),
    (Invariant.ACK_AFTER_COMMIT, changed(acks_seen=0)),
    (Invariant.KEPT_UNTIL_ACKED, changed(missing_of_agents=5, is_outbox_empty=True)),
    (Invariant.IN_ORDER, changed(disorder=["agent epoch 1 sequence 9"])),
    (Invariant.DRAINED, changed(drain_seconds=None)),
    (Invariant.DRAINED, changed(drain_seconds=91.0)),
    (Invariant.CONVERGED, changed(differing_rows=["users u"])),
    (Invariant.CONVERGED, changed(unanswered_edits=1)),
    (Invariant.LOSERS_LOGGED, changed(logged_losers=[])),
    (Invariant.LOSERS_LOGGED, changed(logged_losers=["op-1", "op-1"])),
    (Invariant.LOSERS_LOGGED, changed(wants_conflict=True, conflicts=0)),
    (Invariant.AT_MOST_ONCE, changed(commands=[CommandFate("a", "succeeded", 2)])),
    (Invariant.AT_MOST_ONCE, changed(commands=[CommandFate("a", "expired", 1)])),
    (Invariant.AT_MOST_ONCE, changed(commands=[CommandFate("a", "unheard-of", 1)])),
    (Invariant.AT_MOST_ONCE, changed(commands=[CommandFate("a", "succeeded", 0)])),
    (Invariant.COMMANDS_ENDED, changed(commands=[CommandFate("a", "published", 0)])),
    (Invariant.AUDIT_VERIFIES, changed(audit_fault="row 1: edited")),
    (Invariant.NO_SECRET, changed(leaks=["admin_password in gateway.log"])),
    (Invariant.NO_SECRET, changed(secrets_known=0)),
    (Invariant.BOUNDED_MEMORY, changed(most_memory_mib={"ingest": MOST_MEMORY_MIB + 1})),
    (Invariant.RECOVERED, changed(not_ready=["alerts is restarting"])),
    (Invariant.RECOVERED, changed(unanswered=["the table could not be read"])),
]


def test_everything_holds_of_a_good_run() -> None:
    assert broken(judge(good())) == frozenset()


@pytest.mark.parametrize(("invariant", "spoil"), WRONG)
def test_an_invariant_fails_alone_when_its_own_evidence_is_wrong(invariant, spoil) -> None:
    evidence = good()
    spoil(evidence)
    assert broken(judge(evidence)) == {invariant}


def test_every_invariant_is_seen_failing_and_has_a_sentence() -> None:
    assert {invariant for invariant, _ in WRONG} == set(Invariant) == set(SENTENCES)


def test_what_a_plain_device_lost_in_the_broker_is_said() -> None:
    evidence = good()
    evidence.lost_in_broker = 5
    complete = next(finding for finding in judge(evidence) if finding.invariant is Invariant.COMPLETE)
    assert complete.holds
    assert "5 of plain devices gone with the broker's memory" in complete.detail


def test_what_is_missing_and_still_in_an_outbox_was_not_deleted() -> None:
    evidence = good()
    evidence.missing, evidence.missing_of_agents, evidence.is_outbox_empty = ["agent 1 a"], 1, False
    assert broken(judge(evidence)) == {Invariant.COMPLETE}
