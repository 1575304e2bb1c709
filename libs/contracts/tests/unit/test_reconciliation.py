"""The one rule: fast-forward, the later wins, the server on a tie; and revocations always."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.reconciliation import DELETED, Change, RowState, Winner, decide
from pulse_contracts.stamps import make_stamp

KEYS = ["email", "username", "is_active", "password", "roles:a", "roles:b"]


@st.composite
def edits(draw):
    """What an operation does: each key once; a password replaces, which is a revocation too."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    return [
        Change(key, is_revocation=key == "password" or draw(st.booleans()), replaces=key == "password") for key in keys
    ]


STAMPS = st.builds(make_stamp, st.integers(0, 5), st.integers(0, 2))
VERSIONS = st.integers(1, 6)
ROWS = st.builds(
    RowState,
    version=VERSIONS,
    stamp=STAMPS,
    revoked=st.dictionaries(st.sampled_from(KEYS), VERSIONS),
)


def keys_of(changes):
    return {change.key for change in changes}


@given(STAMPS, edits(), ROWS)
def test_an_edit_of_what_is_there_is_applied_whole_and_is_no_conflict(stamp, changes, row):
    decision = decide(row.version, stamp, changes, row)
    assert decision.apply == keys_of(changes)
    assert not decision.is_conflict


@given(st.integers(0, 8), STAMPS, edits(), ROWS)
def test_a_revocation_of_the_desktop_wins_always(base, stamp, changes, row):
    decision = decide(base, stamp, changes, row)
    revoking = {change.key for change in changes if change.is_revocation and not change.replaces}
    assert revoking <= decision.apply


@given(st.integers(0, 8), STAMPS, edits(), ROWS)
def test_a_revocation_on_the_server_that_the_desktop_had_not_seen_is_never_undone(base, stamp, changes, row):
    decision = decide(base, stamp, changes, row)
    if base == row.version:
        return
    for change in changes:
        if not change.is_revocation and row.revoked.get(change.key, 0) > base:
            assert change.key not in decision.apply


@given(st.integers(0, 8), STAMPS, edits(), ROWS)
def test_of_two_passwords_the_later_stands(base, stamp, changes, row):
    decision = decide(base, stamp, changes, row)
    if base != row.version and "password" in keys_of(changes) and row.revoked.get("password", 0) > base:
        assert ("password" in decision.apply) == (stamp > row.stamp)


@given(st.integers(0, 8), STAMPS, edits(), ROWS)
def test_a_conflict_has_one_winner_and_nothing_is_dropped_in_silence(base, stamp, changes, row):
    decision = decide(base, stamp, changes, row)
    assert decision.apply <= keys_of(changes)
    if decision.apply < keys_of(changes):
        assert decision.is_conflict
    if base != row.version:
        is_later = stamp > row.stamp
        assert decision.winner is (Winner.DESKTOP if is_later and decision.apply else Winner.SERVER)
        plain = {change.key for change in changes if not change.is_revocation}
        if not is_later:
            assert not plain & decision.apply


@given(st.integers(0, 8), STAMPS, edits(), ROWS)
def test_a_row_that_is_gone_stays_gone(base, stamp, changes, row):
    dead = RowState(row.version, row.stamp, is_deleted=True)
    decision = decide(base, stamp, changes, dead)
    assert (decision.apply, decision.winner) == (frozenset(), Winner.SERVER)
    again = decide(base, stamp, [Change(DELETED, is_revocation=True)], dead)
    assert (again.apply, again.winner) == (frozenset(), None)


def test_on_a_tie_the_server_wins():
    row = RowState(2, make_stamp(1000))
    assert decide(1, make_stamp(1000), [Change("email")], row).winner is Winner.SERVER
    assert decide(1, make_stamp(1000, 1), [Change("email")], row).winner is Winner.DESKTOP


def test_who_wins_but_may_apply_nothing_has_lost():
    row = RowState(3, make_stamp(1000), revoked={"is_active": 3})
    decision = decide(1, make_stamp(2000), [Change("is_active")], row)
    assert (decision.apply, decision.winner) == (frozenset(), Winner.SERVER)
