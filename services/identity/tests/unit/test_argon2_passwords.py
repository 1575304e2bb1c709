from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest

from pulse_chassis.errors import UnavailableError
from pulse_identity.settings import IdentitySettings
from pulse_identity.storage.argon2_passwords import Argon2Cost, Argon2Passwords

CHEAP = Argon2Cost(memory_kib=8 * 1024, passes=1, workers=1, waiting=1)


@pytest.fixture
def hasher():
    passwords = Argon2Passwords(CHEAP)
    yield passwords
    passwords.close()


async def test_a_hash_is_argon2id_and_matches_only_its_password(hasher):
    stored = await hasher.hash("blue kettle 9")
    assert stored.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await hasher.verify("blue kettle 9", stored)
    assert not await hasher.verify("blue kettle 8", stored)
    assert not await hasher.verify("blue kettle 9", None)
    assert not await hasher.verify("blue kettle 9", "not a hash")


async def test_beyond_the_bound_hashing_is_refused_at_once_and_recovers(hasher):
    results = await asyncio.gather(*(hasher.hash("blue kettle 9") for _ in range(5)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, UnavailableError)]
    assert len(refused) == 3
    assert refused[0].code == "password_checks_busy"
    assert await hasher.hash("blue kettle 9")


async def test_other_parameters_are_outdated(hasher):
    stored = await hasher.hash("blue kettle 9")
    assert not hasher.is_outdated(stored)
    stronger = Argon2Passwords(Argon2Cost(memory_kib=16 * 1024, passes=1, workers=1))
    assert stronger.is_outdated(stored)
    stronger.close()


async def test_a_hashing_thread_stands_back_behind_all_others(hasher):
    found = hasher._executor.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result()
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == (min(ours + 10, 19) if sys.platform == "linux" else ours)


def test_what_an_operator_does_not_set_is_owasps_floor_at_least():
    unset = {
        name: IdentitySettings.model_fields[f"identity_argon2_{name}"].default for name in ("memory_kib", "passes")
    }
    assert (unset["memory_kib"] >= 19 * 1024, unset["passes"] >= 2) == (True, True)
