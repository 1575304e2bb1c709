"""The first start: no default password, safe with replicas, and what must not start does not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from pulse_contracts.permissions import BUILT_IN_ROLES
from pulse_identity import app as identity
from pulse_identity.storage.tables import permissions, role_permissions, roles, signing_keys, user_roles, users
from pulse_identity.use_cases.key_ports import WrongSecretError
from pulse_identity.use_cases.prepare_start import UnacceptablePasswordError


@pytest.fixture
async def make_parts(unstarted_settings):
    made = []

    def make(**changes):
        parts = identity.make_parts(unstarted_settings.model_copy(update=changes))
        made.append(parts)
        return parts

    yield make
    for parts in made:
        await identity.close_parts(parts)


async def _count(parts, table):
    async with parts.database.read() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table))


async def test_replicas_that_start_at_once_make_one_admin_and_one_key(make_parts, capsys):
    replicas = [make_parts(identity_admin_password=None) for _ in range(4)]
    await asyncio.gather(*(identity.prepare(parts) for parts in replicas))
    assert await _count(replicas[0], users) == 1
    assert await _count(replicas[0], user_roles) == 1
    assert await _count(replicas[0], signing_keys) == 1
    printed = capsys.readouterr().err
    assert printed.count("First start") == 1


async def test_a_made_up_password_is_printed_once_and_works(make_parts, capsys):
    parts = make_parts(identity_admin_password=None)
    await identity.prepare(parts)
    printed = capsys.readouterr().err
    password = printed.split("password\n\n")[1].split()[0]
    assert len(password) >= 20
    async with parts.work() as unit:
        credentials = await unit.people.credentials("admin")
    assert await parts.hasher.verify(password, credentials.password_hash)
    await identity.prepare(parts)
    assert capsys.readouterr().err == ""


async def test_the_operators_password_is_used_and_never_printed(make_parts, capsys):
    await identity.prepare(make_parts())
    output = capsys.readouterr()
    assert "correct horse" not in output.err + output.out


async def test_another_admin_password_later_changes_nothing(make_parts):
    parts = make_parts()
    await identity.prepare(parts)
    await identity.prepare(make_parts(identity_admin_password=SecretStr("something else entirely")))
    async with parts.work() as unit:
        credentials = await unit.people.credentials("admin")
    assert await parts.hasher.verify("correct horse battery", credentials.password_hash)


@pytest.mark.parametrize("password", ["1234567", "password", "admin"])
async def test_a_silly_admin_password_is_refused_and_nothing_is_made(make_parts, password):
    parts = make_parts(identity_admin_password=SecretStr(password))
    with pytest.raises(UnacceptablePasswordError, match="PULSE_IDENTITY_ADMIN_PASSWORD"):
        await identity.prepare(parts)
    assert await _count(parts, users) == 0


async def test_another_secret_is_noticed_at_start(make_parts):
    await identity.prepare(make_parts())
    with pytest.raises(WrongSecretError):
        await identity.prepare(make_parts(identity_secret=SecretStr("not the secret that sealed the keys")))


async def test_built_in_roles_are_kept_in_step_and_custom_roles_stay(make_parts):
    parts = make_parts()
    await identity.prepare(parts)
    async with parts.database.transaction() as session:
        await session.execute(sa.delete(role_permissions))
        await session.execute(sa.insert(permissions).values(name="old:right", description="of an older version"))
        viewer = await session.scalar(sa.select(roles.c.id).where(roles.c.name == "viewer"))
        await session.execute(sa.insert(role_permissions).values(role_id=viewer, permission="old:right"))
    await identity.prepare(parts)
    async with parts.work() as unit:
        held = {role.name: role.permissions for role in await unit.people.roles()}
    assert held == {name: frozenset(map(str, allowed)) for name, allowed in BUILT_IN_ROLES.items()}


async def test_a_start_without_what_it_needs_says_what_is_missing():
    environment = {"PATH": os.environ["PATH"]}
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pulse_identity", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    for name in ("PULSE_DATABASE_URL", "PULSE_IDENTITY_SECRET", "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD"):
        assert name in process.stderr
    assert "Traceback" not in process.stderr
