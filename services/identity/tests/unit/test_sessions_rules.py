from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_identity.domain.sessions import (
    RETRY_WINDOW,
    RefreshToken,
    RefreshVerdict,
    Session,
    judge_refresh,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ME, OTHER = b"me", b"other"


def _session(generation: int = 5, **changes) -> Session:
    values = {"created_at": NOW, "expires_at": NOW + timedelta(days=90), **changes}
    return Session(uuid4(), uuid4(), generation, **values)


def _token(generation: int, **changes) -> RefreshToken:
    values = {"expires_at": NOW + timedelta(days=30), **changes}
    return RefreshToken(b"digest", uuid4(), generation, **values)


@pytest.mark.parametrize(
    ("token", "client", "verdict"),
    [
        (_token(5), ME, RefreshVerdict.ROTATE),
        (_token(5), OTHER, RefreshVerdict.ROTATE),
        (_token(5, expires_at=NOW), ME, RefreshVerdict.REFUSE),
        (_token(4, rotated_at=NOW, rotated_by=ME), ME, RefreshVerdict.REPEAT),
        (_token(4, rotated_at=NOW - RETRY_WINDOW, rotated_by=ME), ME, RefreshVerdict.REPEAT),
        (_token(4, rotated_at=NOW - RETRY_WINDOW - timedelta(seconds=1), rotated_by=ME), ME, RefreshVerdict.REVOKE),
        (_token(4, rotated_at=NOW, rotated_by=ME), OTHER, RefreshVerdict.REVOKE),
        (_token(3, rotated_at=NOW, rotated_by=ME), ME, RefreshVerdict.REVOKE),
    ],
)
def test_only_the_newest_token_and_a_prompt_retry_by_the_same_client_are_good(token, client, verdict):
    assert judge_refresh(token, _session(), client, NOW) is verdict


@pytest.mark.parametrize("changes", [{"revoked_at": NOW}, {"expires_at": NOW}])
def test_a_session_that_is_over_is_refused_and_not_revoked_again(changes):
    for generation in (5, 4, 1):
        assert judge_refresh(_token(generation), _session(**changes), ME, NOW) is RefreshVerdict.REFUSE


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 90)), max_size=12))
def test_two_clients_never_both_go_on_with_one_family(presentations):
    """Whoever presents which token when: once both have presented tokens of one generation, the family is over."""
    session, now = _session(generation=0), NOW
    tokens = {0: _token(0)}
    users: dict[int, set[bytes]] = {}
    for generation, is_thief, seconds in presentations:
        now += timedelta(seconds=seconds)
        client = OTHER if is_thief else ME
        token = tokens.get(generation)
        if token is None:
            continue
        verdict = judge_refresh(token, session, client, now)
        if verdict is RefreshVerdict.REVOKE:
            return
        users.setdefault(generation, set()).add(client)
        assert users[generation] == {client}
        if verdict is RefreshVerdict.ROTATE:
            tokens[generation] = _token(generation, rotated_at=now, rotated_by=client)
            tokens[generation + 1] = _token(generation + 1)
            session = _session(generation=generation + 1)
