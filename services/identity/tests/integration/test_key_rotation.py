"""The signing key changes, and no token is refused for it."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pulse_chassis.bearer import Authority
from pulse_chassis.clock import ManualClock
from pulse_identity import app as identity
from pulse_identity.domain.people import User

LEAD = timedelta(minutes=10)


def _key_id(token: str) -> str:
    return json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"]


@pytest.fixture
async def ring(unstarted_settings):
    """Two processes of identity on one database, and a service that verifies against one of them over HTTP."""
    clock = ManualClock(datetime.now(UTC))
    async with contextlib.AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(_open(unstarted_settings, clock)) for _ in range(2)]
        await identity.prepare(processes[0])
        transport = httpx.ASGITransport(identity.make_app(processes[1]))
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://identity.test"))

        async def published():
            return (await http.get("/.well-known/jwks.json")).json()

        yield clock, processes, published


@contextlib.asynccontextmanager
async def _open(settings, clock):
    parts = identity.make_parts(settings, clock)
    yield parts
    await identity.close_parts(parts)


async def _token(parts, clock) -> str:
    now = clock.now()
    user = User(uuid.uuid4(), "somebody", None, True, (), frozenset(), 1, now, now)
    return (await parts.keys.issue(user, uuid.uuid4(), now)).token


async def test_across_a_rotation_every_token_verifies_at_every_verifier_until_it_ends(ring):
    clock, processes, published = ring
    # Verifiers that fetched at different times and then are not allowed to ask for an unknown key: the hardest case.
    verifiers = []
    tokens: list[tuple[datetime, str]] = []
    used = set()
    started = clock.now()
    rotated = False
    while clock.now() - started < timedelta(minutes=40):
        if not rotated and clock.now() - started >= timedelta(minutes=5):
            assert await identity.key_rotation(processes[0])(at_once=True) == clock.now() + LEAD
            rotated = True
        if len(verifiers) < 30:
            verifiers.append((clock.now(), frozenset(key["kid"] for key in (await published())["keys"])))
        for parts in processes:
            token = await _token(parts, clock)
            tokens.append((clock.now(), token))
            used.add(_key_id(token))
        current = frozenset(key["kid"] for key in (await published())["keys"])
        # Whoever fetched within the last six minutes (verifiers keep keys for five) knows the key of each live token.
        fresh = [keys for at, keys in verifiers if clock.now() - at <= timedelta(minutes=6)]
        live = {_key_id(token) for at, token in tokens if clock.now() - at <= timedelta(minutes=10)}
        newest = {_key_id(token) for at, token in tokens if at == clock.now()}
        assert live <= current
        assert all(newest <= keys for keys in fresh)
        verifiers = verifiers[-12:]
        clock.advance(30)
    assert len(used) == 2
    # The old key is withdrawn after its last token ended, and forgotten.
    assert await identity.key_rotation(processes[0])() is None
    clock.advance(31)
    assert len((await published())["keys"]) == 1


async def test_a_verifier_accepts_tokens_of_both_keys_over_http(ring):
    clock, processes, published = ring
    authority = Authority(published, clock=clock)
    before = await _token(processes[0], clock)
    await authority.verify(before)
    await identity.key_rotation(processes[1])(at_once=True)
    clock.advance(LEAD.total_seconds() + 31)
    after = await _token(processes[0], clock)
    assert _key_id(before) != _key_id(after)
    for token in (before, after):
        assert (await authority.verify(token)).username == "somebody"


async def test_a_key_is_changed_when_it_is_old_and_by_one_process_only(ring):
    clock, processes, _ = ring
    for parts in processes:
        assert await identity.key_rotation(parts)() is None
    clock.advance(timedelta(days=30).total_seconds())
    added = [await identity.key_rotation(parts)() for parts in processes]
    assert added == [clock.now() + LEAD, None]
    assert [await identity.key_rotation(parts)(at_once=True) for parts in processes] == [None, None]


def _run(settings, *arguments, stdin=""):
    environment = {
        "PULSE_DATABASE_URL": settings.database_url.get_secret_value(),
        "PULSE_REDIS_URL": settings.redis_url.get_secret_value(),
        "PULSE_IDENTITY_SECRET": settings.identity_secret.get_secret_value(),
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": "unused",
    }
    return subprocess.run(
        [sys.executable, "-m", "pulse_identity", *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_operator_gives_a_new_password_and_all_sessions_end(service, admin, identity_settings):
    done = _run(identity_settings, "reset-password", "ADMIN")
    assert done.returncode == 0, done.stderr
    (password,) = done.stdout.splitlines()
    assert (await admin.ask("GET", "/api/profile")).status_code == 401
    await service.sign_in("admin", password)
    done = _run(identity_settings, "reset-password", "admin", "--stdin", stdin="chosen by the operator\n")
    assert (done.returncode, "chosen by the operator" in done.stdout + done.stderr) == (0, False)
    await service.sign_in("admin", "chosen by the operator")
    for arguments, stdin, reason in (
        (("nobody",), "", "no user 'nobody'"),
        (("admin", "--stdin"), "short\n", "at least 8"),
        (("admin", "--stdin"), "", "no password"),
    ):
        refused = _run(identity_settings, "reset-password", *arguments, stdin=stdin)
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert "Traceback" not in refused.stderr


async def test_the_operator_lets_a_disabled_user_in_again(service, admin, identity_settings):
    person = await service.add_person(admin, "viewer", username="carol")
    await admin.call("PUT", f"/api/users/{person.id}/toggle-status", status=200)
    done = _run(identity_settings, "reset-password", "carol", "--activate", "--stdin", stdin="a password for carol\n")
    assert done.returncode == 0, done.stderr
    await service.sign_in("carol", "a password for carol")


async def test_the_operator_publishes_the_next_key(service, identity_settings):
    done = _run(identity_settings, "rotate-keys")
    assert done.returncode == 0, done.stderr
    assert "signs from 20" in done.stdout
    assert "already" in _run(identity_settings, "rotate-keys").stdout
