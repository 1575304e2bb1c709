from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from pulse_identity.domain import people
from pulse_identity.domain.people import Actor, User

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _user(*roles: str, permissions: frozenset[str] = frozenset()) -> User:
    return User(uuid4(), "somebody", None, True, roles, permissions, 1, NOW, NOW)


def _actor(*permissions: str, user: User | None = None) -> Actor:
    return Actor(user.id if user else uuid4(), "actor", frozenset(permissions))


def test_nothing_is_granted_that_the_actor_lacks():
    assert people.check_grant(_actor("a", "b"), frozenset({"a"})) is None
    refusal = people.check_grant(_actor("a"), frozenset({"a", "b"}))
    assert refusal is not None
    assert refusal.code == "grant_beyond_own_rights"


def test_rights_that_a_user_already_has_may_stay():
    target = _user("weird", permissions=frozenset({"a", "b"}))
    assert people.check_new_roles(_actor("a", "c"), target, frozenset({"a", "b", "c"})) is None
    assert people.check_new_roles(_actor("a"), target, frozenset({"a", "c"})) is not None


def test_power_needs_at_least_the_targets_rights():
    target = _user(permissions=frozenset({"a", "b"}))
    assert people.check_power_over(_actor("a"), target) is not None
    assert people.check_power_over(_actor("a", "b"), target) is None
    assert people.check_power_over(_actor(user=target), target) is None


@pytest.mark.parametrize(
    ("is_active", "roles", "stays_admin", "admins", "is_refused"),
    [
        (True, ("admin",), False, 1, True),
        (True, ("admin",), False, 2, False),
        (True, ("admin",), True, 1, False),
        (False, ("admin",), False, 1, False),
        (True, ("viewer",), False, 1, False),
    ],
)
def test_the_last_active_admin_stays(is_active, roles, stays_admin, admins, is_refused):
    target = replace(_user(*roles), is_active=is_active)
    refusal = people.check_admin_remains(target, stays_admin=stays_admin, active_admins=admins)
    assert (refusal is not None) is is_refused
