"""Signing in without the server, and edits by those who may: every door that stays shut, and why."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from pulse_agent.local_access.editing import Editor
from pulse_agent.local_access.lockout import MAX_DELAY_SECONDS, delay_after
from pulse_agent.local_access.session import LocalSession, LoginRefusal, LoginRefusedError
from pulse_agent.local_access.sign_in import LocalLogin
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import ManualClock
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.permissions import Permission

Talk = Callable[..., None]
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
ADMINS, READERS = str(UUID(int=11)), str(UUID(int=12))
RIGHT = {"anna": "correct horse 1", "bob": "correct horse 2"}


@pytest.fixture
def trusted(peer: Any) -> DesktopIdentity:
    identity: DesktopIdentity = peer.identity
    return replace(identity, sync_keys=peer.keys())


@pytest.fixture
def login(replica: Replica, trusted: DesktopIdentity, clock: ManualClock) -> LocalLogin:
    return LocalLogin(replica.database, trusted, clock)


@pytest.fixture
def editor(replica: Replica, login: LocalLogin, trusted: DesktopIdentity) -> Editor:
    return Editor(replica, login, trusted)


def refusal(login: LocalLogin, name: str, password: str | None = None) -> LoginRefusal:
    with pytest.raises(LoginRefusedError) as caught:
        login.sign_in(name, RIGHT[name] if password is None else password)
    return caught.value.reason


def session_of(login: LocalLogin, name: str) -> LocalSession:
    return login.sign_in(name, RIGHT[name])


# -- the door -----------------------------------------------------------------------------------------------------------


def test_a_right_password_opens_offline_with_the_rights_of_the_lease(replica: Replica, login: LocalLogin) -> None:
    replica.disconnected()
    session = login.sign_in("ANNA", RIGHT["anna"])
    assert (session.user_id, session.username, session.roles) == (ANNA, "anna", ("admin",))
    assert session.can(Permission.USERS_WRITE)
    assert not session.can(Permission.AUDIT_READ)
    assert not session_of(login, "bob").can(Permission.USERS_WRITE)


def test_an_unknown_user_and_a_wrong_password_get_the_same_words(login: LocalLogin) -> None:
    sentences = set()
    for name in ("anna", "nobody"):
        with pytest.raises(LoginRefusedError) as caught:
            login.sign_in(name, "wrong password")
        sentences.add((caught.value.reason, str(caught.value), caught.value.retry_after))
    assert len(sentences) == 1


def test_an_unknown_user_costs_an_argon2_as_well(login: LocalLogin, monkeypatch: pytest.MonkeyPatch) -> None:
    import argon2.low_level

    calls: list[tuple[int, int]] = []
    real = argon2.low_level.hash_secret_raw

    def counted(*arguments: Any, **named: Any) -> bytes:
        calls.append((named["time_cost"], named["memory_cost"]))
        return real(*arguments, **named)

    monkeypatch.setattr(argon2.low_level, "hash_secret_raw", counted)
    refusal(login, "anna", "wrong password")
    refusal(login, "nobody", "wrong password")
    assert calls == [(1, 64), (1, 64)]


def test_a_disabled_user_stays_out_also_when_disabled_here(replica: Replica, login: LocalLogin, editor: Editor) -> None:
    replica.disconnected()
    editor.set_active(session_of(login, "anna"), BOB, is_active=False)
    assert refusal(login, "bob") is LoginRefusal.DISABLED
    assert refusal(login, "bob", "wrong password") is LoginRefusal.WRONG_CREDENTIALS


def test_a_revocation_is_in_force_before_its_pull_has_ended(
    replica: Replica, peer: Any, login: LocalLogin, clock: ManualClock
) -> None:
    session = session_of(login, "bob")
    peer.page_rows = 1
    peer.revoke(BOB, "permissions_changed")
    for user, name in ((ANNA, "anna"), (BOB, "bob")):
        peer.put("users", user, username=name, email=None, is_active=True, roles=[])
    clock.advance(60)
    (pull,) = replica.outgoing()
    replica.receive("sync/D-1/down", *peer.answer(pull))
    assert refusal(login, "bob") is LoginRefusal.REVOKED
    with pytest.raises(LoginRefusedError):
        login.current(session.user_id)


def test_a_new_lease_after_a_revocation_opens_again(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, clock: ManualClock
) -> None:
    peer.revoke(BOB, "permissions_changed")
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    assert session_of(login, "bob").permissions == frozenset()


def test_a_changed_password_is_not_known_until_its_verifier_came(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, clock: ManualClock
) -> None:
    peer.revoke(BOB, "password_changed")
    del peer.verifiers[BOB]
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    assert refusal(login, "bob") is LoginRefusal.PASSWORD_NOT_KNOWN_HERE
    peer.set_password(BOB, "a new password")
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[])
    clock.advance(60)
    talk(replica, peer)
    assert refusal(login, "bob") is LoginRefusal.WRONG_CREDENTIALS
    assert login.sign_in("bob", "a new password").user_id == BOB


def test_an_expired_lease_opens_nothing_and_leases_are_renewed_at_half_their_life(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, clock: ManualClock
) -> None:
    replica.disconnected()
    clock.advance(4 * 24 * 3600)
    assert session_of(login, "anna").user_id == ANNA
    clock.advance(3 * 24 * 3600)
    assert refusal(login, "anna") is LoginRefusal.LEASE_EXPIRED
    replica.connected()
    talk(replica, peer)
    assert peer.pulls[-1].renew_leases
    assert session_of(login, "anna").user_id == ANNA


@pytest.mark.parametrize(
    "wrong",
    [{"aud": "D-2"}, {"sub": BOB}, {"username": "somebody"}],
    ids=["another desktop's", "another user's", "another name's"],
)
def test_somebody_elses_lease_opens_nothing(
    replica: Replica, peer: Any, login: LocalLogin, wrong: dict[str, str]
) -> None:
    token = peer.lease(ANNA, **wrong)
    replica.database.connection.execute("UPDATE lease SET token = ? WHERE user_id = ?", (token, ANNA))
    assert refusal(login, "anna") is LoginRefusal.NO_LEASE


def test_a_lease_by_another_key_is_none(replica: Replica, peer: Any, login: LocalLogin) -> None:
    peer.signing_key = SigningKey.generate(peer.signing_key.key_id)
    replica.database.connection.execute("UPDATE lease SET token = ? WHERE user_id = ?", (peer.lease(ANNA), ANNA))
    assert refusal(login, "anna") is LoginRefusal.NO_LEASE


def test_a_lease_that_somebody_prolonged_in_the_file_is_none(
    replica: Replica, login: LocalLogin, clock: ManualClock
) -> None:
    replica.database.connection.execute("UPDATE lease SET expires_at = expires_at * 2, rev = 99")
    clock.advance(8 * 24 * 3600)
    assert refusal(login, "anna") is LoginRefusal.LEASE_EXPIRED


def test_a_clock_set_back_opens_nothing_until_the_server_was_heard(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, clock: ManualClock
) -> None:
    replica.disconnected()
    clock.advance(6 * 24 * 3600)
    session = session_of(login, "anna")
    clock.step_wall(-3600)
    assert refusal(login, "anna") is LoginRefusal.CLOCK_SET_BACK
    with pytest.raises(LoginRefusedError):
        login.current(session.user_id)
    replica.connected()
    talk(replica, peer)
    assert session_of(login, "anna").user_id == ANNA


def test_time_seen_survives_the_process(
    replica: Replica, trusted: DesktopIdentity, login: LocalLogin, clock: ManualClock
) -> None:
    clock.advance(3600)
    session_of(login, "anna")
    replica.close()
    clock.step_wall(-1800)
    again = Replica(replica.database.path, trusted, clock)
    assert refusal(LocalLogin(again.database, trusted, clock), "anna") is LoginRefusal.CLOCK_SET_BACK
    again.close()


def test_wrong_passwords_cost_time_that_grows_and_survives_the_process(
    replica: Replica, trusted: DesktopIdentity, login: LocalLogin, clock: ManualClock
) -> None:
    for _ in range(3):
        assert refusal(login, "anna", "wrong password") is LoginRefusal.WRONG_CREDENTIALS
    replica.close()
    again = Replica(replica.database.path, trusted, clock)
    login = LocalLogin(again.database, trusted, clock)
    with pytest.raises(LoginRefusedError) as caught:
        login.sign_in("anna", RIGHT["anna"])
    assert (caught.value.reason, caught.value.retry_after) == (LoginRefusal.LOCKED_OUT, 1)
    assert session_of(login, "bob").user_id == BOB, "another account is open"
    clock.advance(1)
    assert refusal(login, "anna", "wrong password") is LoginRefusal.WRONG_CREDENTIALS
    clock.advance(1)
    assert refusal(login, "anna") is LoginRefusal.LOCKED_OUT
    clock.advance(1)
    assert session_of(login, "anna").user_id == ANNA
    assert refusal(login, "anna", "wrong password") is LoginRefusal.WRONG_CREDENTIALS
    again.close()


def test_the_wait_grows_to_a_ceiling_and_is_no_lock_for_good() -> None:
    waits = [delay_after(failures) for failures in range(30)]
    assert waits == sorted(waits)
    assert waits[:4] == [0, 0, 0, 1]
    assert waits[-1] == MAX_DELAY_SECONDS


def test_the_names_that_were_tried_are_bounded_and_unreadable(login: LocalLogin, replica: Replica) -> None:
    refusal(login, "my secret password typed here", "x" * 10)
    replica.database.scrub()
    assert b"secret password" not in replica.database.path.read_bytes()


# -- edits --------------------------------------------------------------------------------------------------------------


def test_a_user_made_offline_signs_in_here_only_after_the_server_confirmed_them(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, editor: Editor
) -> None:
    replica.disconnected()
    carol = editor.create_user(session_of(login, "anna"), "carol", "night shift 7", roles=[READERS])
    assert replica.rows("users")[carol].is_pending
    assert refusal(login, "carol", "night shift 7") is LoginRefusal.PASSWORD_NOT_KNOWN_HERE
    peer.set_password(carol, "night shift 7")
    replica.connected()
    talk(replica, peer)
    replica.receive("sync/users/update", b'{"cursor": %d}' % peer.cursor)
    talk(replica, peer)
    assert login.sign_in("carol", "night shift 7").user_id == carol


def test_a_password_leaves_only_sealed_to_identity(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    box = SealKey.generate()
    trusted = replace(peer.identity, sync_keys=peer.keys(), password_key=box.public_key)
    login = LocalLogin(replica.database, trusted, clock)
    Editor(replica, login, trusted).set_password(session_of(login, "anna"), BOB, "brand new secret")
    talk(replica, peer)
    sealed = peer.operations[-1].fields["password"]
    assert box.open(base64.b64decode(sealed)) == b"brand new secret"
    assert refusal(login, "bob") is LoginRefusal.PASSWORD_NOT_KNOWN_HERE


def test_the_file_holds_no_password_no_key_and_nothing_that_argon2_made(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, editor: Editor
) -> None:
    session = session_of(login, "anna")
    editor.create_user(session, "carol", "canary-password-1")
    editor.set_password(session, BOB, "canary-password-2")
    refusal(login, "anna", "canary-password-3")
    key: bytes = peer.identity.verifier_key
    secrets = [b"canary-password", RIGHT["anna"].encode(), key, key.hex().encode(), base64.b64encode(key)]
    secrets += [peer.identity.seal_key.private_key.encode(), str(peer.identity.signing_key.private_jwk()["d"]).encode()]
    secrets += [b"$argon2"]
    for _ in range(2):
        path = replica.database.path
        raw = path.read_bytes() + path.with_name("replica.db-wal").read_bytes()
        assert [secret for secret in secrets if secret in raw] == []
        talk(replica, peer)
        replica.database.scrub()


def test_who_lacks_the_permission_changes_nothing(replica: Replica, login: LocalLogin, editor: Editor) -> None:
    bob = session_of(login, "bob")
    assert set(editor.users(bob)) == {ANNA, BOB}
    for attempt in (
        lambda: editor.create_user(bob, "carol", "long enough"),
        lambda: editor.edit_user(bob, ANNA, email="x@example.org"),
        lambda: editor.set_password(bob, ANNA, "long enough"),
        lambda: editor.delete_user(bob, ANNA),
        lambda: editor.create_role(bob, "mine"),
        lambda: editor.set_config(bob, "log.level", "DEBUG"),
        lambda: editor.config(bob),
    ):
        with pytest.raises(EditRefusedError) as caught:
            attempt()
        assert caught.value.code == "permission_missing"
    assert replica.pending() == []


def test_nobody_gives_or_takes_over_what_they_lack(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, editor: Editor, clock: ManualClock
) -> None:
    clerks = str(UUID(int=13))
    peer.put(
        "roles", clerks, name="clerk", description="", is_built_in=False, permissions=["users:read", "users:write"]
    )
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[clerks])
    clock.advance(60)
    talk(replica, peer)
    bob = session_of(login, "bob")
    for attempt in (
        lambda: editor.create_user(bob, "carol", "long enough", roles=[ADMINS]),
        lambda: editor.change_roles(bob, BOB, added=[ADMINS]),
        lambda: editor.set_password(bob, ANNA, "long enough"),
        lambda: editor.set_active(bob, ANNA, is_active=False),
    ):
        with pytest.raises(EditRefusedError) as caught:
            attempt()
        assert caught.value.code == "beyond_own_rights"
    assert editor.create_user(bob, "carol", "long enough", roles=[READERS])


def test_what_cannot_be_is_refused_here_in_words(login: LocalLogin, editor: Editor, replica: Replica) -> None:
    anna = session_of(login, "anna")
    attempts: dict[str, Callable[[], object]] = {
        "username_taken": lambda: editor.create_user(anna, "BOB", "long enough"),
        "email_taken": lambda: editor.edit_user(anna, BOB, email="Anna@example.org"),
        "bad_username": lambda: editor.create_user(anna, "no spaces", "long enough"),
        "password_too_short": lambda: editor.create_user(anna, "carol", "short"),
        "password_is_username": lambda: editor.create_user(anna, "carol.smith", "Carol.Smith"),
        "cannot_disable_self": lambda: editor.set_active(anna, ANNA, is_active=False),
        "cannot_delete_self": lambda: editor.delete_user(anna, ANNA),
        "cannot_demote_self": lambda: editor.change_roles(anna, ANNA, removed=[ADMINS]),
        "built_in_role": lambda: editor.delete_role(anna, ADMINS),
        "name_taken": lambda: editor.create_role(anna, "Reader"),
        "role_assigned": lambda: editor.delete_role(anna, READERS),
        "unknown_permission": lambda: editor.create_role(anna, "new role", permissions=["root"]),
        "unknown_user": lambda: editor.edit_user(anna, str(UUID(int=5)), email="x@example.org"),
        "unknown_key": lambda: editor.set_config(anna, "no.such.key", 1),
        "bad_value": lambda: editor.set_config(anna, "telemetry.interval_ms", 1),
    }
    for code, attempt in attempts.items():
        with pytest.raises(EditRefusedError) as caught:
            attempt()
        assert caught.value.code == code
    assert replica.pending() == []


def test_a_right_taken_away_here_is_gone_here_at_once(replica: Replica, login: LocalLogin, editor: Editor) -> None:
    replica.disconnected()
    anna, bob = session_of(login, "anna"), session_of(login, "bob")
    editor.change_roles(anna, BOB, removed=[READERS])
    with pytest.raises(EditRefusedError):
        editor.users(bob)
    assert session_of(login, "bob").permissions == frozenset()
    editor.change_roles(anna, BOB, added=[ADMINS])
    assert session_of(login, "bob").permissions == {"users:read"}, "nothing beyond the lease"


def test_edits_of_roles_and_config_reach_the_server(
    replica: Replica, peer: Any, talk: Talk, login: LocalLogin, editor: Editor
) -> None:
    anna = session_of(login, "anna")
    night = editor.create_role(anna, "night shift", permissions=["users:read"])
    editor.edit_role(anna, night, description="from ten to six")
    editor.change_permissions(anna, night, added=["config:write"], removed=["users:read"])
    editor.change_roles(anna, BOB, added=[night])
    editor.set_config(anna, "telemetry.interval_ms", 250)
    talk(replica, peer)
    assert peer.rows("roles")[night]["permissions"] == ["config:write"]
    assert peer.rows("roles")[night]["description"] == "from ten to six"
    assert night in peer.rows("users")[BOB]["roles"]
    assert list(peer.rows("config").values()) == [{"value": 250}]
    editor.clear_config(anna, "telemetry.interval_ms")
    editor.change_roles(anna, BOB, removed=[night])
    editor.delete_role(anna, night)
    talk(replica, peer)
    assert peer.rows("config") == {}
    assert night not in peer.rows("roles")
    assert replica.conflicts() == []
