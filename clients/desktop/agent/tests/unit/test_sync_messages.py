"""Messages that must change nothing, whoever sends them, and the odd lives of edits (searched by Hypothesis)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pulse_agent.replica.masks import laid_over, merged
from pulse_agent.replica.messages import MAX_DOWN_BYTES
from pulse_agent.replica.replica import MAX_NOTED_REFUSALS, Replica
from pulse_chassis.clock import ManualClock
from pulse_chassis.sealing import Sealer, SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.operations import EditableEntity
from pulse_contracts.sync import SEALED, Answer

Talk = Callable[..., None]
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
READERS = str(UUID(int=12))
DOWN = "sync/D-1/down"


def dump(replica: Replica) -> list[tuple[Any, ...]]:
    connection = replica.database.connection
    connection.execute("DELETE FROM sync_state WHERE key = 'error'")  # what people are told, and nothing else
    tables = ("users", "roles", "permissions", "system_config", "sync_state", "sync_outbox", "lease", "verifier")
    tables += ("revocation", "user_roles", "role_permissions", "sync_conflict")
    return [row for table in tables for row in connection.execute(f"SELECT '{table}', * FROM {table}")]


Wrong = Callable[[Any, Any], bytes]
WRONG: dict[str, Wrong] = {
    "not_sealed": lambda peer, page: peer.down(page)[1:],
    "not_ours": lambda peer, page: peer.down(page, seal=SealKey.generate().public_key),
    "malformed": lambda peer, page: SEALED + Sealer(peer.identity.seal_key.public_key).seal(b"{}"),
    "wrong_type": lambda peer, page: peer.down(page, typ="pulse-lease+jws"),
    "unknown_key": lambda peer, page: peer.down(page, key=SigningKey.generate()),
    "bad_signature": lambda peer, page: peer.down(page, key=SigningKey.generate(peer.signing_key.key_id)),
    "wrong_audience": lambda peer, page: peer.down(page.model_copy(update={"aud": "D-2"})),
    "wrong_topic": lambda peer, page: peer.down(page.model_copy(update={"topic": "sync/D-2/down"})),
    "too_old": lambda peer, page: peer.down(page.model_copy(update={"req": "force", "iat": page.iat - 17 * 60 * 1000})),
    "not_asked": lambda peer, page: peer.down(page.model_copy(update={"req": "f" * 32})),
    "too_large": lambda peer, page: SEALED + b"x" * MAX_DOWN_BYTES,
    "wrong_page": lambda peer, page: peer.down(page.model_copy(update={"mode": "snapshot"})),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_message_that_is_not_right_changes_nothing_and_is_noted(
    code: str, replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.put("users", BOB, username="bobby", email=None, is_active=False, roles=[])
    peer.revoke(BOB, "disabled")
    clock.advance(60)
    replica.outgoing()
    before = dump(replica)
    pull = peer.pulls[-1].model_copy(update={"req": replica._questions.open.request})  # type: ignore[union-attr]
    replica.receive(DOWN, WRONG[code](peer, peer.page_for(pull)))
    assert dump(replica) == before
    assert replica.log()[-1].detail.startswith(f"{code}:")
    clock.advance(61)
    talk(replica, peer)
    assert replica.rows("users")[BOB].fields["username"] == "bobby"


def test_a_key_that_was_changed_is_said_in_words(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    peer.signing_key = SigningKey.generate()
    clock.advance(60)
    for message in replica.outgoing():
        replica.receive(DOWN, peer.answer(message)[0])
    assert replica.status().error == "sync signs with a key that is not known here: enrol again"
    replica.trust(peer.keys())
    clock.advance(11)
    talk(replica, peer)
    assert replica.status().error is None


def test_a_page_that_comes_twice_counts_once(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    peer.put("users", BOB, username="bobby", email=None, is_active=True, roles=[])
    clock.advance(60)
    (pull,) = replica.outgoing()
    (page,) = peer.answer(pull)
    replica.receive(DOWN, page)
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    before = dump(replica)
    replica.receive(DOWN, page)
    assert dump(replica) == before
    assert replica.log()[-1].detail.startswith("not_asked:")


def test_a_retained_message_counts_for_nothing(replica: Replica, peer: Any, clock: ManualClock) -> None:
    clock.advance(60)
    (pull,) = replica.outgoing()
    before = dump(replica)
    replica.receive(DOWN, peer.answer(pull)[0], retained=True)
    replica.receive("sync/users/update", b'{"cursor": 99}', retained=True)
    assert dump(replica) == before
    assert [entry.detail.partition(":")[0] for entry in replica.log()[-2:]] == ["retained", "retained"]


def test_an_answer_to_a_pull_and_a_page_for_a_push_count_for_nothing(
    replica: Replica, peer: Any, clock: ManualClock
) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    clock.advance(60)
    replica._questions._pulled_last = False
    replica.outgoing()
    question = replica._questions.open
    assert question is not None
    answer = Answer(req=question.request, outcomes=[], **peer.signed())
    before = dump(replica)
    replica.receive(DOWN, peer.down(answer))
    assert dump(replica) == before
    assert replica.log()[-1].detail.startswith("not_asked:")


def test_a_flood_of_wrong_messages_is_noted_in_part(replica: Replica) -> None:
    lines = len(replica.log())
    for _ in range(500):
        replica.receive(DOWN, b"nonsense")
    assert replica.refused == 500
    assert len(replica.log()) == lines + MAX_NOTED_REFUSALS


def test_a_clock_that_is_wrong_by_years_still_syncs(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.now_ms = lambda: 1_900_000_000_000
    clock.step_wall(-20 * 365 * 24 * 3600)
    peer.put("users", BOB, username="bobby", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    assert replica.rows("users")[BOB].fields["username"] == "bobby"
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    assert replica.pending()[0].updated_at > replica.base_rows("users")[BOB].updated_at, "later than what was seen"


def test_a_force_compares_now_and_only_once(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    replica.database.connection.execute("UPDATE users SET digest = digest + 1")
    page = peer.page_for(peer.pulls[-1], req="force", rows=[], next=None)
    force = peer.down(page)
    replica.receive(DOWN, force)
    talk(replica, peer)
    assert peer.pulls[-1].mode == "snapshot"
    asked = len(peer.pulls)
    replica.receive(DOWN, force)
    talk(replica, peer)
    assert len(peer.pulls) == asked
    assert replica.log()[-1].detail.startswith("replayed:")


def test_a_page_that_no_file_can_hold_does_not_end_the_agent_and_is_not_asked_for_at_once(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    good = peer.log["users", BOB]
    peer.put("users", BOB, username="bobby", email=None, is_active=True, roles=[])
    peer.log["users", BOB] = (peer.cursor, peer.log["users", BOB][1].model_copy(update={"version": 2**70}))
    clock.advance(60)
    talk(replica, peer)
    assert replica.log()[-1].detail.startswith("cannot_be_kept:")
    assert replica.rows("users")[BOB].fields["username"] == "bob"
    asked = len(peer.pulls)
    clock.advance(30)
    talk(replica, peer)
    assert len(peer.pulls) == asked
    peer.log["users", BOB] = good
    peer.put("users", BOB, username="bobby", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    assert replica.rows("users")[BOB].fields["username"] == "bobby"


# -- masks --------------------------------------------------------------------------------------------------------------

ROLES = st.sets(st.sampled_from([str(UUID(int=n)) for n in range(20, 24)]), max_size=3)


@st.composite
def user_masks(draw: Any) -> dict[str, Any]:
    mask: dict[str, Any] = {}
    if draw(st.booleans()):
        mask["email"] = draw(st.sampled_from(["a@x", "b@x"]))
    if draw(st.booleans()):
        mask["is_active"] = draw(st.booleans())
    added = draw(ROLES)
    removed = draw(ROLES) - added
    mask |= {name: sorted(ids) for name, ids in (("roles_added", added), ("roles_removed", removed)) if ids}
    return mask


@given(held=ROLES, masks=st.lists(user_masks(), min_size=1, max_size=5))
def test_merged_edits_do_what_they_do_one_after_the_other(held: set[str], masks: list[dict[str, Any]]) -> None:
    start = {"username": "bob", "email": None, "is_active": True, "roles": sorted(held)}
    one_by_one: dict[str, Any] = start
    together: dict[str, Any] = {}
    for mask in masks:
        one_by_one = laid_over(EditableEntity.USERS, one_by_one, mask)
        together = merged(EditableEntity.USERS, together, mask)
    assert laid_over(EditableEntity.USERS, start, together) == one_by_one
    assert not set(together.get("roles_added", ())) & set(together.get("roles_removed", ()))


# -- the life of edits --------------------------------------------------------------------------------------------------


class EditsMachine(RuleBasedStateMachine):
    """Edits here and there, lost messages, restarts; whatever happened, both sides are the same in the end."""

    make_peer: Callable[[], Any]
    talk: Talk

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.peer: Any = type(self).make_peer()
        self.clock: ManualClock = self.peer.clock
        self.path = Path(self.folder.name) / "replica.db"
        self.replica = self.open()
        self.numbers: list[int] = []

    def open(self) -> Replica:
        replica = Replica(self.path, replace(self.peer.identity, sync_keys=self.peer.keys()), self.clock)
        replica.connected()
        return replica

    def user(self, number: int) -> str:
        return str(UUID(int=100 + number))

    @rule(number=st.integers(0, 3), active=st.booleans(), roles=ROLES)
    def edit_here(self, number: int, active: bool, roles: set[str]) -> None:
        row = self.replica.row("users", self.user(number))
        mask: dict[str, Any] = {"is_active": active}
        if roles:
            mask["roles_added"] = sorted(roles)
        if row is None:
            if any(made.row_id == self.user(number) for made in self.replica.pending()):
                return
            mask["username"] = f"user{number}"
        self.replica.record(UUID(ANNA), "users", self.user(number), mask)
        found = self.replica.row("users", self.user(number))
        assert found is not None
        assert found.fields["is_active"] is active
        assert roles <= set(found.fields["roles"])

    @rule(number=st.integers(0, 3))
    def delete_here(self, number: int) -> None:
        if self.replica.row("users", self.user(number)) is not None:
            self.replica.record(UUID(ANNA), "users", self.user(number), {"deleted": True})
            assert self.replica.row("users", self.user(number)) is None

    @rule(number=st.integers(0, 3), email=st.sampled_from(["a@x", "b@x"]))
    def edit_there(self, number: int, email: str) -> None:
        entry = self.peer.log.get(("users", self.user(number)))
        if entry is not None and not entry[1].deleted:
            self.peer.put("users", self.user(number), **{**entry[1].fields, "email": email})

    @rule(number=st.integers(0, 3))
    def delete_there(self, number: int) -> None:
        entry = self.peer.log.get(("users", self.user(number)))
        if entry is not None and not entry[1].deleted:
            self.peer.remove("users", self.user(number))

    @rule(turns=st.integers(1, 4), loses=st.booleans(), repeats=st.booleans())
    def speak(self, turns: int, loses: bool, repeats: bool) -> None:
        for _ in range(turns):
            for message in self.replica.outgoing():
                for answer in self.peer.answer(message):
                    if not loses:
                        self.replica.receive(DOWN, answer)
                    if repeats:
                        self.replica.receive(DOWN, answer)

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(step=st.integers(-3600, 3600))
    def set_clock(self, step: int) -> None:
        self.clock.step_wall(step)

    @rule(is_kill=st.booleans())
    def restart(self, is_kill: bool) -> None:
        if not is_kill:
            self.replica.close()
        killed, self.replica = self.replica, self.open()
        if is_kill:
            killed.close()

    @precondition(lambda self: bool(self.peer.operations))
    @invariant()
    def numbers_only_grow(self) -> None:
        numbers = [operation.op_no for operation in self.peer.operations]
        assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        for _ in range(6):
            self.clock.advance(61)
            type(self).talk(self.replica, self.peer)
        assert self.replica.pending() == []
        assert {row.id: row.fields for row in self.replica.rows("users").values()} == self.peer.rows("users")
        lost = [op for op, outcome in self.peer.answered.items() if outcome.outcome != "applied"]
        kept = [conflict.op_id for conflict in self.replica.conflicts()]
        assert len(kept) == len(set(kept))
        assert {str(op) for op in lost} <= set(kept)
        self.replica.close()
        self.folder.cleanup()


def test_whatever_happens_to_edits_both_sides_agree_in_the_end(sync_peer: Any, talk: Talk) -> None:
    def make_peer() -> Any:
        clock = ManualClock()
        made = type(sync_peer)(sync_peer.device_id, sync_peer.identity, clock)
        made.put("roles", READERS, name="reader", permissions=[])
        made.put("users", str(UUID(int=100)), username="user0", email=None, is_active=True, roles=[READERS])
        return made

    machine = type("Edits", (EditsMachine,), {"make_peer": staticmethod(make_peer), "talk": staticmethod(talk)})
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=15, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
