"""Guessing is slowed, and strangers cannot keep the owner out."""

from __future__ import annotations

import asyncio

import pytest

from pulse_chassis.errors import RateLimitedError, UnavailableError
from pulse_chassis.streams import connect_redis
from pulse_identity.storage.redis_limits import Bucket, RedisLimits

HOME, STRANGER = "192.0.2.1", "198.51.100.7"


@pytest.fixture
async def redis(valkey_database):
    client = connect_redis(valkey_database)
    yield client
    await client.aclose()


@pytest.fixture
def limits(redis):
    return RedisLimits(redis, sign_in=Bucket(10, 0.001), enrolment=Bucket(3, 0.001))


async def _guess(limits, account, address):
    await limits.admit(account, address)
    await limits.failed(account, address)


async def _guess_often(limits, account, address):
    for _ in range(10):
        await _guess(limits, account, address)


async def _fail_until_delayed(limits, account, address):
    with pytest.raises(RateLimitedError) as caught:
        await _guess_often(limits, account, address)
    assert caught.value.code == "account_delayed"


async def test_strangers_cannot_keep_the_owner_out_at_home(limits):
    await limits.admit("alice", HOME)
    await limits.succeeded("alice", HOME)
    await _fail_until_delayed(limits, "alice", STRANGER)
    await limits.admit("Alice", HOME)


async def test_at_home_guessing_is_delayed_too(limits):
    await limits.admit("alice", HOME)
    await limits.succeeded("alice", HOME)
    await _fail_until_delayed(limits, "alice", HOME)


async def test_the_owners_sign_in_at_home_does_not_give_strangers_new_guesses(limits):
    await limits.admit("alice", HOME)
    await limits.succeeded("alice", HOME)
    await _fail_until_delayed(limits, "alice", STRANGER)
    await limits.admit("alice", HOME)
    await limits.succeeded("alice", HOME)
    with pytest.raises(RateLimitedError):
        await limits.admit("alice", STRANGER)


async def test_many_accounts_from_one_address_empty_its_bucket(limits):
    for number in range(10):
        await _guess(limits, f"user-{number}", STRANGER)
    with pytest.raises(RateLimitedError) as caught:
        await limits.admit("user-11", STRANGER)
    assert caught.value.code == "address_limited"
    await limits.admit("user-11", HOME)


async def test_attempts_at_once_cannot_pass_before_the_first_has_failed(limits):
    results = await asyncio.gather(
        *(limits.admit(f"user-{number}", STRANGER) for number in range(50)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 10


async def test_once_an_account_is_guessed_at_attempts_take_turns(redis):
    limits = RedisLimits(redis, sign_in=Bucket(1000, 1.0), enrolment=Bucket(3, 1.0))
    for _ in range(3):
        await _guess(limits, "bob", STRANGER)
    results = await asyncio.gather(
        *(limits.admit("bob", f"203.0.113.{number}") for number in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) <= 1


async def test_right_and_abandoned_attempts_are_given_back(limits):
    for _ in range(30):
        await limits.admit("carol", HOME)
        await limits.succeeded("carol", HOME)
        await limits.admit("dave", STRANGER)
        await limits.abandoned("dave", STRANGER)
        await limits.admit_enrolment(HOME)
        await limits.enrolled(HOME)


async def test_names_and_addresses_of_people_are_not_in_redis(limits, redis):
    await _guess(limits, "very-private-name", HOME)
    keys = b" ".join(await redis.keys("*"))
    assert b"very-private-name" not in keys
    assert HOME.encode() not in keys


async def test_without_redis_nobody_is_admitted(limits, valkey_server):
    valkey_server.kill()
    try:
        with pytest.raises(UnavailableError):
            await limits.admit("alice", HOME)
    finally:
        valkey_server.start()
