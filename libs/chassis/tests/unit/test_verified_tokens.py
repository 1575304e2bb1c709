"""What is remembered of a token is never worth more than the token."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pulse_chassis import verified_tokens
from pulse_chassis.bearer import Authority, generate_signing_key, issue_access_token, public_jwk
from pulse_chassis.clock import ManualClock
from pulse_chassis.errors import UnauthorizedError
from pulse_chassis.principal import Principal
from pulse_chassis.verified_tokens import VerifiedTokens

KEY = generate_signing_key("key-1")


def token(key: dict[str, str] = KEY, lifetime: timedelta = timedelta(minutes=10)) -> str:
    return issue_access_token(
        key,
        user_id=uuid4(),
        username="anna",
        roles=[],
        permissions=["devices:read"],
        session_id=uuid4(),
        now=datetime.now(UTC),
        lifetime=lifetime,
    )


def principal(expires_in: float = 600) -> Principal:
    expires = datetime.now(UTC) + timedelta(seconds=expires_in)
    return Principal(uuid4(), "anna", (), frozenset(), uuid4(), expires)


async def test_a_remembered_token_with_another_signature_is_refused() -> None:
    async def published() -> Mapping[str, Any]:
        return {"keys": [public_jwk(KEY)]}

    authority = Authority(published)
    good = token()
    await authority.verify(good)
    signing_input, _, signature = good.rpartition(".")
    other = "A" if signature[0] != "A" else "B"
    with pytest.raises(UnauthorizedError):
        await authority.verify(f"{signing_input}.{other}{signature[1:]}")


async def test_a_withdrawn_key_takes_its_remembered_tokens_along() -> None:
    keys = [public_jwk(KEY)]

    async def published() -> Mapping[str, Any]:
        return {"keys": list(keys)}

    clock = ManualClock()
    authority = Authority(published, clock=clock)
    good = token()
    await authority.verify(good)
    # Replaced under its own id: the token was not signed with this one.
    keys[:] = [public_jwk(generate_signing_key("key-1"))]
    clock.advance(301)
    await authority.verify(good)
    assert authority._refreshing is not None
    await asyncio.wait_for(authority._refreshing, 5)
    with pytest.raises(UnauthorizedError):
        await authority.verify(good)


def test_an_entry_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).timestamp()
    remembered, key = VerifiedTokens(), object()
    who = principal(60)
    remembered.remember("t", who, "k", key)
    assert remembered.find("t", {"k": key}) is who
    monkeypatch.setattr(verified_tokens.time, "time", lambda: now + 61)
    assert remembered.find("t", {"k": key}) is None
    assert len(remembered) == 0


def test_only_so_many_are_remembered_and_the_least_used_goes() -> None:
    remembered, key = VerifiedTokens(limit=2), object()
    for name in ("a", "b"):
        remembered.remember(name, principal(), "k", key)
    assert remembered.find("a", {"k": key}) is not None
    remembered.remember("c", principal(), "k", key)
    assert remembered.find("b", {"k": key}) is None
    assert remembered.find("a", {"k": key}) is not None
