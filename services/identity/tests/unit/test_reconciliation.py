from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_identity.domain.reconciliation import AccountState, Repair, compare

NAMES = st.sampled_from([f"d{number}" for number in range(6)])
STATES = st.dictionaries(NAMES, st.booleans())


@given(accounts=STATES, devices=STATES)
def test_after_the_repairs_every_account_is_that_of_a_device_in_its_state(accounts, devices):
    found = compare([AccountState(name, is_enabled) for name, is_enabled in accounts.items()], devices)
    mended = dict(accounts)
    for name, repair in found.repairs.items():
        if repair is Repair.DELETE:
            del mended[name]
        else:
            mended[name] = repair is Repair.ENABLE
    assert mended == {name: is_active for name, is_active in devices.items() if name not in found.missing}
    assert found.missing == devices.keys() - accounts.keys()
