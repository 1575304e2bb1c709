"""Filters and scopes: what is not visible is the same as what is not there."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.frames import Filter
from pulse_contracts.permissions import BUILT_IN_ROLES
from pulse_gateway.domain.scope import EVERYBODY, Rights, Scope
from pulse_gateway.domain.selection import Audience, Selection, resolve
from pulse_gateway.domain.token_bucket import TokenBucket

ids = st.frozensets(st.sampled_from("abcdef"))
GROUPS = {"hall": frozenset("abc"), "yard": frozenset("cde")}


def scope(role: str, devices: frozenset[str] = frozenset()) -> Scope:
    rights = Rights("u", True, (role,), frozenset(str(p) for p in BUILT_IN_ROLES[role]))
    return Scope(uuid4(), rights, devices)


@given(ids, st.none() | ids, st.none() | st.frozensets(st.sampled_from(["hall", "yard", "nowhere"])))
def test_nobody_sees_a_device_out_of_scope(own, wanted, groups) -> None:
    selection = Selection(device_ids=wanted, groups=groups)
    seen = resolve(scope("viewer", own), selection, GROUPS)
    assert seen is not None
    assert seen <= own
    expected = set(own)
    if wanted is not None:
        expected &= wanted
    if groups is not None:
        expected &= {d for g in groups for d in GROUPS.get(g, ())}
    assert seen == expected


def test_an_admin_sees_all_and_shares_one_key() -> None:
    one, other = scope("admin"), scope("admin")
    assert one.visible is None
    assert one.key == other.key == EVERYBODY
    assert resolve(one, Selection(), GROUPS) is None
    assert Audience(one, Selection(groups=frozenset({"hall"})), GROUPS).devices == frozenset("abc")


def test_two_users_never_share_frames_unless_both_see_all() -> None:
    assert scope("viewer").key != scope("viewer").key


def test_an_inactive_user_is_allowed_nothing() -> None:
    gone = scope("admin")
    gone.rights = Rights("u", False, (), gone.rights.permissions)
    assert not gone.allows("telemetry:read")


def test_the_same_filter_in_another_order_is_the_same_selection() -> None:
    assert Selection.of(Filter(device_ids=["a", "b"])) == Selection.of(Filter(device_ids=["b", "a", "a"]))
    assert Selection.of(Filter()) != Selection.of(Filter(device_ids=[]))


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_a_bucket_never_gives_more_than_its_rate_and_burst(waits: list[float]) -> None:
    bucket, now, taken = TokenBucket(10, 30, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        if not bucket.take(now):
            now += bucket.wait_seconds + 1e-6
            assert bucket.take(now)
        taken += 1
    assert taken <= 30 + 10 * now + 1
