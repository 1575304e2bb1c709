from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pulse_chassis.client_address import address_group
from pulse_contracts.device_keys import key_prefix, key_sha256
from pulse_contracts.ids import is_client_id
from pulse_identity.domain.attempts import FREE_FAILURES, MAX_DELAY_SECONDS, delay_after
from pulse_identity.domain.common_passwords import common_passwords
from pulse_identity.domain.credentials import code_digest, new_api_key, new_enrolment_code, new_token
from pulse_identity.domain.devices import check_device_id, device_id_from
from pulse_identity.domain.passwords import check_password
from pulse_identity.storage.secret_box import KeyedSecretBox
from pulse_identity.use_cases.key_ports import WrongSecretError


def test_an_api_key_is_known_by_its_prefix_and_digest_and_hides_itself():
    key = new_api_key()
    assert (key.prefix, key.sha256) == (key_prefix(key.text), key_sha256(key.text))
    assert key.text not in repr(key)
    assert len({new_api_key().text for _ in range(100)}) == 100


@pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_code_may_be_typed_as_people_type(change):
    code = new_enrolment_code()
    assert code_digest(change(code)) == code_digest(code)


def test_letters_that_look_like_digits_are_read_as_digits():
    assert code_digest("oIl0-0000") == code_digest("0110-0000")


@given(st.text(max_size=300))
def test_a_made_up_device_id_is_always_a_good_one(hint):
    device_id = device_id_from(hint)
    assert is_client_id(device_id)
    assert check_device_id(device_id) is None


@pytest.mark.parametrize("device_id", ["svc-ingest", "SVC-x", "a/b", "", "a" * 65, "-a", "a\n"])
def test_ids_that_no_device_may_have(device_id):
    assert check_device_id(device_id) is not None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("seven77", "password_too_short"),
        ("ä" * 600, "password_too_long"),
        ("Password1", "password_too_common"),
        ("zzzzzzzzzz", "password_too_common"),
        ("Administrator.Bob", "password_is_username"),
        ("blue kettle 9", None),
    ],
)
def test_which_passwords_are_acceptable(password, code):
    refusal = check_password(password, "administrator.bob")
    assert (refusal.code if refusal else None) == code


def test_the_wait_grows_to_a_minute_and_never_to_a_lock():
    delays = [delay_after(failures) for failures in range(2_000)]
    assert delays[:FREE_FAILURES] == [0] * FREE_FAILURES
    assert delays == sorted(delays)
    assert max(delays) == MAX_DELAY_SECONDS


def test_an_ipv6_client_counts_as_its_network():
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff:2")
    assert address_group("2001:db8:0:1::1") != address_group("2001:db8:0:2::1")
    assert address_group("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_group("unknown") == "unknown"


def test_what_is_sealed_opens_only_with_the_same_secret():
    box = KeyedSecretBox(SecretStr("the secret of this installation"))
    sealed = box.seal(b"private")
    assert b"private" not in sealed
    assert box.unseal(sealed) == b"private"
    with pytest.raises(WrongSecretError):
        KeyedSecretBox(SecretStr("another secret altogether")).unseal(sealed)
    with pytest.raises(WrongSecretError):
        box.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_the_next_refresh_token_is_always_the_same_and_nobody_elses():
    box = KeyedSecretBox(SecretStr("the secret of this installation"))
    token = new_token()
    assert box.child_of(token) == box.child_of(token) != token
    assert len(box.child_of(token)) >= 43
    assert KeyedSecretBox(SecretStr("another secret altogether")).child_of(token) != box.child_of(token)


def test_common_passwords_are_some_thousands_in_lower_case_and_long_enough_to_matter():
    common = common_passwords()
    assert 5_000 < len(common) < 20_000
    assert all(password == password.casefold() and len(password) >= 8 for password in common)


@pytest.mark.parametrize(
    "password", ["Password2024", "QWERTZUIOP", "sunshine123!", "Changeme1!", "dragondragon", "abcabcabcabc"]
)
def test_what_everybody_tries_first_is_refused(password):
    refusal = check_password(password, "somebody")
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("password_too_common", "password")


@pytest.mark.parametrize("password", ["correct horse battery", "another good password", "x7#kPq2!vB", "ünïcödé wörds"])
def test_uncommon_passwords_are_taken(password):
    assert check_password(password, "somebody") is None
