"""The replica against a server side in memory: what is swapped when, and what an answer does to a local edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import ManualClock
from pulse_contracts.configuration import ConfigScope, config_id
from pulse_contracts.operations import ConflictReport, EditableEntity
from pulse_contracts.sync import AppliedConfig, PullRefused

Talk = Callable[..., None]
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
ADMINS, READERS = str(UUID(int=11)), str(UUID(int=12))
NEW = str(UUID(int=77))
INTERVAL = config_id(ConfigScope.DEVICE, "D-1", "telemetry.interval_ms")


def fields_of(replica: Replica, entity: str) -> dict[str, dict[str, Any]]:
    return {row.id: row.fields for row in replica.rows(entity).values()}


def test_the_first_pull_brings_everything_page_by_page(replica: Replica, peer: Any) -> None:
    for entity in ("permissions", "roles", "users", "config"):
        assert fields_of(replica, entity) == peer.rows(entity)
    assert replica.cursor == peer.cursor
    assert [pull.after for pull in peer.pulls] == [None, "3", "6"]
    assert peer.reports[-1].cursor == peer.cursor
    members = replica.database.connection.execute("SELECT * FROM user_roles ORDER BY user_id").fetchall()
    assert members == [(ANNA, ADMINS), (BOB, READERS)]
    assert replica.status().needs_snapshot is False


def test_a_poke_leads_to_a_pull_and_an_old_poke_to_none(replica: Replica, peer: Any, talk: Talk) -> None:
    asked = len(peer.pulls)
    replica.receive("sync/users/update", b'{"v": 1, "cursor": 3}')
    assert replica.outgoing() == []
    peer.put("users", BOB, username="bob", email="bob@example.org", is_active=True, roles=[READERS])
    replica.receive("sync/users/update", b'{"v": 1, "cursor": %d}' % peer.cursor)
    replica.receive("sync/users/update", b'{"v": 1, "cursor": %d}' % peer.cursor)
    talk(replica, peer)
    assert fields_of(replica, "users") == peer.rows("users")
    assert len(peer.pulls) == asked + 1


def test_without_a_poke_the_interval_pulls_and_config_changes_the_interval(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.put("config", config_id(ConfigScope.ALL, "", "sync.pull_interval_s"), value=5)
    clock.advance(59)
    assert replica.outgoing() == []
    clock.advance(1)
    talk(replica, peer)
    asked = len(peer.pulls)
    clock.advance(5)
    talk(replica, peer)
    assert len(peer.pulls) == asked + 1


def test_pages_show_only_after_the_last_one_and_revocations_at_once(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    before = fields_of(replica, "users")
    peer.page_rows = 1
    peer.revoke(BOB, "disabled")
    peer.put("users", ANNA, username="anna2", email=None, is_active=True, roles=[ADMINS])
    peer.put("users", BOB, username="bob", email=None, is_active=False, roles=[READERS])
    clock.advance(60)
    (pull,) = replica.outgoing()
    replica.receive("sync/D-1/down", *peer.answer(pull))
    assert fields_of(replica, "users") == before
    leases = replica.database.connection.execute("SELECT user_id FROM lease").fetchall()
    assert leases == [(ANNA,)], "the revoked one's lease went with the first page"
    talk(replica, peer)
    assert fields_of(replica, "users") == peer.rows("users")


def test_an_edit_shows_at_once_is_pushed_once_answered_and_then_is_the_servers(
    replica: Replica, peer: Any, talk: Talk
) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "new@example.org", "roles_added": [ADMINS]})
    row = replica.row("users", BOB)
    assert row is not None
    assert row.is_pending
    assert row.fields["email"] == "new@example.org"
    assert row.fields["roles"] == [ADMINS, READERS]
    assert replica.base_rows("users")[BOB].fields["email"] is None
    talk(replica, peer)
    assert replica.pending() == []
    assert fields_of(replica, "users") == peer.rows("users")
    (operation,) = peer.operations
    assert (operation.op_no, operation.base_version, str(operation.actor)) == (1, 1, ANNA)
    assert replica.conflicts() == []
    assert peer.reports[-1].pending == 0


def test_offline_edits_of_a_row_are_one_step_and_a_row_made_and_deleted_never_was(
    replica: Replica, peer: Any, talk: Talk
) -> None:
    replica.disconnected()
    for email in ("a@example.org", "b@example.org"):
        replica.record(UUID(ANNA), "users", BOB, {"email": email})
    replica.record(UUID(ANNA), "users", BOB, {"roles_removed": [READERS], "roles_added": [ADMINS]})
    replica.record(UUID(ANNA), "users", BOB, {"roles_added": [READERS]})
    replica.record(UUID(ANNA), "roles", NEW, {"name": "temporary", "permissions_added": ["users:read"]})
    replica.record(UUID(ANNA), "roles", NEW, {"permissions_removed": ["users:read"]})
    assert replica.pending()[-1].fields == {"name": "temporary"}
    replica.record(UUID(ANNA), "roles", NEW, {"deleted": True})
    replica.connected()
    talk(replica, peer)
    (operation,) = peer.operations
    assert operation.fields == {"email": "b@example.org", "roles_added": sorted([ADMINS, READERS])}
    assert peer.log["users", BOB][1].version == 2


def test_an_edit_made_while_its_row_waits_for_an_answer_follows_on_the_new_version(
    replica: Replica, peer: Any, talk: Talk
) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "1@example.org"})
    (push,) = replica.outgoing()
    replica.record(UUID(ANNA), "users", BOB, {"email": "2@example.org"})
    replica.record(UUID(ANNA), "users", ANNA, {"email": "x@example.org"})
    for answer in peer.answer(push):
        replica.receive("sync/D-1/down", answer)
    talk(replica, peer)
    assert [(made.op_no, made.base_version, made.id) for made in peer.operations] == [
        (1, 1, BOB),
        (2, 2, BOB),
        (3, 1, ANNA),
    ]
    assert peer.rows("users")[BOB]["email"] == "2@example.org"
    assert fields_of(replica, "users") == peer.rows("users")
    assert replica.conflicts() == []


def test_roles_are_sent_before_the_users_who_get_them(replica: Replica, peer: Any, talk: Talk) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    replica.record(UUID(ANNA), "roles", NEW, {"name": "night shift"})
    replica.record(UUID(ANNA), "users", BOB, {"roles_added": [NEW]})
    talk(replica, peer)
    assert [made.entity for made in peer.operations] == [EditableEntity.ROLES, EditableEntity.USERS]


def test_a_push_without_an_answer_is_repeated_byte_by_byte_and_applied_once(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    (lost,) = replica.outgoing()
    peer.answer(lost)
    clock.advance(9)
    assert replica.outgoing() == []
    clock.advance(2)
    talk(replica, peer)
    assert len(peer.operations) == 1
    assert replica.pending() == []
    assert peer.log["users", BOB][1].version == 2


def test_a_lost_conflict_is_undone_kept_whole_and_told_once(replica: Replica, peer: Any, talk: Talk) -> None:
    peer.put("users", BOB, username="bob", email="web@example.org", is_active=True, roles=[READERS])
    replica.record(UUID(ANNA), "users", BOB, {"email": "desk@example.org", "password": "c2VhbGVk"})
    talk(replica, peer)
    assert fields_of(replica, "users") == peer.rows("users")
    (conflict,) = replica.conflicts()
    assert conflict.desktop_fields == {"email": "desk@example.org", "password": True}
    assert conflict.server_row is not None
    assert conflict.server_row["fields"]["email"] == "web@example.org"
    assert conflict.conflict_id is not None
    assert [notice.sentence for notice in replica.notices()] == [
        "Your change of the user bob (email, password): somebody else changed it later, and their change stands."
    ]
    replica.journal.mark_read([conflict.number])
    assert replica.notices() == []
    assert [entry.status for entry in replica.log() if entry.kind == "operation"] == ["conflict_lost"]


def test_a_won_conflict_keeps_the_servers_side_whole_and_tells_nobody(replica: Replica, peer: Any, talk: Talk) -> None:
    met = {"username": "bob", "email": "web@example.org", "is_active": True, "roles": []}

    def won(operation: Any) -> Any:
        report = ConflictReport(
            winner="desktop",
            desktop_fields=operation.fields,
            desktop_stamp=operation.updated_at,
            server_fields=met,
            server_stamp="1770459330000-0000",
        )
        row = peer.put("users", BOB, **{**met, "email": "desk@example.org"})
        return peer.outcome(operation, "applied", row=row, conflict=report, conflict_id=UUID(int=9))

    peer.judge = won
    replica.record(UUID(ANNA), "users", BOB, {"email": "desk@example.org"})
    talk(replica, peer)
    (kept,) = replica.conflicts()
    assert (kept.outcome, kept.conflict_id) == ("won", str(UUID(int=9)))
    assert kept.server_row == {"fields": met, "updated_at": "1770459330000-0000", "updated_by": None}
    assert replica.notices() == []


def test_an_answer_that_answers_nothing_is_not_asked_for_in_a_circle(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.judge = lambda operation: peer.outcome(operation, "applied").model_copy(update={"op_id": UUID(int=5)})
    replica.record(UUID(ANNA), "users", BOB, {"email": "desk@example.org"})
    talk(replica, peer)
    assert len(replica.pending()) == 1
    peer.answered.clear()
    peer.judge = lambda operation: None
    clock.advance(61)
    talk(replica, peer)
    assert replica.pending() == []


def test_a_rejected_new_user_is_undone_with_the_edits_that_wait_behind(replica: Replica, peer: Any, talk: Talk) -> None:
    peer.judge = lambda operation: peer.outcome(operation, "rejected", code="username_taken")
    replica.record(UUID(ANNA), "users", NEW, {"username": "carol"})
    (push,) = replica.outgoing()
    replica.record(UUID(ANNA), "users", NEW, {"email": "carol@example.org"})
    for answer in peer.answer(push):
        replica.receive("sync/D-1/down", answer)
    talk(replica, peer)
    assert NEW not in replica.rows("users")
    assert replica.pending() == []
    assert [(kept.outcome, kept.code) for kept in replica.conflicts()] == [
        ("rejected", "username_taken"),
        ("rejected", "row_not_here"),
    ]


def test_a_row_that_leaves_the_scope_takes_its_lease_and_verifier_along(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.remove("users", BOB)
    clock.advance(60)
    talk(replica, peer)
    connection = replica.database.connection
    assert set(replica.rows("users")) == {ANNA}
    for table in ("lease", "verifier", "user_roles"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    raw = replica.database.path.read_bytes()
    wal = replica.database.path.with_name("replica.db-wal").read_bytes()
    assert b'"bob"' not in raw + wal


def test_drift_is_found_by_checksum_and_mended_by_a_snapshot(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    replica.database.connection.execute("DELETE FROM users WHERE id = ?", (BOB,))
    replica.database.connection.execute("UPDATE roles SET digest = digest + 1")
    clock.advance(60)
    talk(replica, peer)
    assert fields_of(replica, "users") == peer.rows("users")
    assert peer.pulls[-1].mode == "snapshot"
    assert replica.status().needs_snapshot is False
    assert replica.status().error is None
    assert [entry.detail for entry in replica.log() if entry.kind == "checksum"] == ["delta: roles, users"]


def test_a_snapshot_that_does_not_add_up_is_not_asked_for_again_at_once(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.checksum = lambda: {"users": (9, "0" * 16)}
    clock.advance(60)
    talk(replica, peer)
    assert [pull.mode for pull in peer.pulls].count("snapshot") == len(
        {p.req for p in peer.pulls if p.mode == "snapshot"}
    )
    assert replica.status().error == "differs from the server: users"
    asked = len(peer.pulls)
    clock.advance(60)
    talk(replica, peer)
    assert all(pull.mode == "delta" for pull in peer.pulls[asked:])


def test_a_cursor_that_is_too_old_pushes_first_and_then_takes_a_snapshot(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    del peer.log["users", BOB]  # its tombstone is long forgotten
    peer.refuse = lambda message: (
        PullRefused(req=message.req, code="snapshot_needed", **peer.signed())
        if getattr(message, "mode", "") == "delta" and not peer.operations
        else None
    )
    clock.advance(60)
    (pull,) = replica.outgoing()
    for answer in peer.answer(pull):
        replica.receive("sync/D-1/down", answer)
    replica.record(UUID(ANNA), "users", ANNA, {"email": "a@example.org"})
    talk(replica, peer)
    assert len(peer.operations) == 1
    assert set(replica.rows("users")) == {ANNA}
    assert [pull.mode for pull in peer.pulls][-2:].count("snapshot") >= 1


def test_a_push_that_needs_a_snapshot_first_waits_for_it(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    peer.refuse = lambda message: (
        PullRefused(req=message.req, code="snapshot_needed", **peer.signed())
        if hasattr(message, "operations") and peer.pulls[-1].mode == "delta"
        else None
    )
    replica.record(UUID(ANNA), "users", ANNA, {"email": "a@example.org"})
    talk(replica, peer)
    assert peer.pulls[-1].mode == "snapshot"
    clock.advance(5)
    talk(replica, peer)
    assert replica.pending() == []


def test_a_row_from_an_answer_is_not_taken_for_drift_but_leaves_when_it_is_out_of_scope(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    def outside(operation: Any) -> Any:
        row = peer._row("users", operation.id, 1, {"username": "carol", "roles": []})
        return peer.outcome(operation, "applied", row=row)

    peer.judge = outside
    replica.record(UUID(ANNA), "users", NEW, {"username": "carol"})
    talk(replica, peer)
    assert NEW in replica.rows("users")
    replica.receive("sync/users/update", b'{"cursor": 1000}')
    talk(replica, peer)
    assert NEW in replica.rows("users")
    clock.advance(61)
    talk(replica, peer)
    assert NEW not in replica.rows("users")
    assert peer.pulls[-1].mode == "snapshot"


def test_try_later_waits_as_long_as_it_was_told(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    peer.refuse = lambda message: (
        PullRefused(req=message.req, code="try_later", retry_after_ms=20_000, **peer.signed())
        if hasattr(message, "operations")
        else None
    )
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    talk(replica, peer)
    peer.refuse = lambda message: None
    clock.advance(19)
    talk(replica, peer)
    assert len(replica.pending()) == 1
    clock.advance(1)
    talk(replica, peer)
    assert replica.pending() == []


def test_config_in_force_is_the_nearest_and_what_was_applied_is_reported(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    heard: list[Any] = []
    replica.on_config(heard.append)
    peer.put("config", config_id(ConfigScope.ALL, "", "telemetry.interval_ms"), value=5000)
    peer.put("config", config_id(ConfigScope.GROUP, "hall", "telemetry.interval_ms"), value=2000)
    clock.advance(60)
    talk(replica, peer)
    assert replica.effective_config()["telemetry.interval_ms"].value == 2000
    replica.record(UUID(ANNA), "config", INTERVAL, {"value": 100})
    talk(replica, peer)
    assert [config["telemetry.interval_ms"].value for config in heard[:2]] == [2000, 100]
    replica.config_applied([AppliedConfig(id=INTERVAL, version=1)])
    talk(replica, peer)
    assert peer.reports[-1].applied_config == [AppliedConfig(id=INTERVAL, version=1)]
    replica.record(UUID(ANNA), "config", INTERVAL, {"deleted": True})
    talk(replica, peer)
    assert replica.effective_config()["telemetry.interval_ms"].value == 2000


def test_an_edit_of_what_is_not_there_or_of_an_unknown_field_is_refused(replica: Replica) -> None:
    with pytest.raises(EditRefusedError):
        replica.record(UUID(ANNA), "users", NEW, {"deleted": True})
    with pytest.raises(ValueError, match="is_built_in"):
        replica.record(UUID(ANNA), "roles", READERS, {"is_built_in": True})
    replica.record(UUID(ANNA), "users", BOB, {"deleted": True})
    with pytest.raises(EditRefusedError):
        replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
