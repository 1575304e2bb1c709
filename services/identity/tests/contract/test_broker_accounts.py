"""What every `BrokerAccounts` promises."""

from __future__ import annotations

import pytest

from pulse_chassis.errors import ConflictError
from pulse_identity.domain.credentials import new_api_key
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.domain.reconciliation import AccountState


def _account(name, *, is_enabled=True):
    return DeviceAccount(name, new_api_key(), is_enabled)


async def test_accounts_that_were_put_are_found_with_their_keys_prefix(accounts):
    put = [_account(f"c-{number}") for number in range(23)]
    await accounts.put(put)
    expected = {account.device_id: AccountState(account.device_id, True, account.key.prefix) for account in put}
    assert {state.device_id: state for state in await accounts.all()} == expected
    assert await accounts.find("c-7") == expected["c-7"]


async def test_putting_again_replaces_key_and_state(accounts):
    await accounts.put([_account("again")])
    new = _account("again", is_enabled=False)
    await accounts.put([new, _account("beside")])
    assert await accounts.find("again") == AccountState("again", False, new.key.prefix)
    newest = _account("again")
    await accounts.put([newest])
    assert await accounts.find("again") == AccountState("again", True, newest.key.prefix)


async def test_an_account_can_be_made_disabled(accounts):
    await accounts.put([_account("off", is_enabled=False)])
    assert (await accounts.find("off")).is_enabled is False


async def test_switching_says_whether_there_was_an_account(accounts):
    await accounts.put([_account("switch")])
    assert await accounts.set_enabled("switch", is_enabled=False) is True
    assert (await accounts.find("switch")).is_enabled is False
    assert await accounts.set_enabled("switch", is_enabled=False) is True
    assert await accounts.set_enabled("switch", is_enabled=True) is True
    assert (await accounts.find("switch")).is_enabled is True
    assert await accounts.set_enabled("nobody", is_enabled=True) is False


async def test_deleting_does_not_mind_what_is_not_there(accounts):
    await accounts.put([_account("gone"), _account("stays")])
    await accounts.delete(["gone", "never-was"])
    assert await accounts.find("gone") is None
    assert [account.device_id for account in await accounts.all()] == ["stays"]


async def test_somebody_elses_account_is_never_touched(accounts):
    with pytest.raises(ConflictError):
        await accounts.put([_account("mine"), _account("svc-ingest")])
    assert await accounts.find("svc-ingest") is None
    assert await accounts.find("mine") is None
    assert await accounts.set_enabled("svc-ingest", is_enabled=False) is False
    await accounts.delete(["svc-ingest"])


async def test_nothing_to_do_is_fine(accounts):
    await accounts.put([])
    await accounts.delete([])
    assert await accounts.all() == []
