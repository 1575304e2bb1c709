from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_identity.domain.reconciliation import AccountState, Repair, compare

NAMES = st.sampled_from([f"d{number}" for number in range(6)])
STATES = st.dictionaries(NAMES, st.booleans())


@given(accounts=STATES, devices=STATES)
def test_after_the_repairs_every_account_is_that_of_a_device_in_its_state(accounts, devices):
    found = compare([AccountState(name, is_enabled) for name, is_enabled in accounts.items()], devices, {})
    mended = dict(accounts)
    for name, repair in found.repairs.items():
        if repair is Repair.DELETE:
            del mended[name]
        else:
            mended[name] = repair is Repair.ENABLE
    assert mended == {name: is_active for name, is_active in devices.items() if name not in found.missing}
    assert found.missing == devices.keys() - accounts.keys()


def test_an_account_with_a_key_that_the_registry_does_not_know_is_reported():
    accounts = [
        AccountState("same", True, "ppk_1"),
        AccountState("overlap", True, "ppk_2"),
        AccountState("lost", True, "ppk_9"),
        AccountState("keyless", True, "ppk_5"),
    ]
    devices = {account.device_id: True for account in accounts}
    prefixes = {"same": frozenset({"ppk_1"}), "overlap": frozenset({"ppk_2", "ppk_3"}), "lost": frozenset({"ppk_4"})}
    found = compare(accounts, devices, prefixes)
    assert found.missing == {"lost", "keyless"}
    assert found.repairs == {}
