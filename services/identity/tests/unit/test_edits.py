"""A desktop's edit key by key, what can be believed of it, and the parts of a stored hash."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given
from hypothesis import strategies as st

from pulse_chassis.errors import InvalidError
from pulse_identity.domain.stored_hashes import read_hash
from pulse_identity.use_cases.open_operation import NOBODY, claimed_names, read_edit

ROLE, OTHER = uuid4(), uuid4()
ROW = str(uuid4())
USER_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "username": st.sampled_from(["dora", "x.y"]),
        "email": st.sampled_from(["", "d@here.test"]),
        "is_active": st.booleans(),
        "password": st.just("c2VhbGVk"),
        "roles_added": st.just([str(ROLE)]),
        "roles_removed": st.just([str(OTHER)]),
    },
).filter(bool)


@given(USER_FIELDS, st.data())
def test_the_part_of_an_edit_that_is_applied_has_those_keys_and_their_values(fields, data):
    edit = read_edit("users", ROW, fields)
    assert len(edit.changes) == len(fields)
    chosen = data.draw(st.frozensets(st.sampled_from(sorted(edit.keys))))
    part = edit.part(chosen)
    whole = edit.part(edit.keys)
    assert whole == edit.fields
    if chosen:
        again = read_edit("users", ROW, json.loads(part.model_dump_json(exclude_none=True)))
        assert again.keys == chosen


def test_what_takes_something_away_is_a_revocation():
    fields = {
        "is_active": False,
        "password": "x",
        "roles_removed": [str(ROLE)],
        "email": "",
        "roles_added": [str(OTHER)],
    }
    changes = {change.key: change for change in read_edit("users", ROW, fields).changes}
    assert {key for key, change in changes.items() if change.is_revocation} == {
        "is_active",
        "password",
        f"roles:{ROLE}",
    }
    assert changes["password"].replaces
    assert not {c.key for c in read_edit("users", ROW, {"is_active": True}).changes if c.is_revocation}
    edit = read_edit("roles", ROW, {"permissions_added": ["a:b"], "permissions_removed": ["c:d"], "name": "ab"})
    assert {change.key for change in edit.changes if change.is_revocation} == {"permissions:c:d"}
    both = read_edit("roles", ROW, {"deleted": True, "name": "ab"})
    assert (both.is_deletion, both.keys) == (True, {"deleted"})


@pytest.mark.parametrize(
    ("entity", "row_id", "fields", "code"),
    [
        ("config", ROW, {"value": 1}, "wrong_entity"),
        ("users", ROW.upper(), {"email": ""}, "bad_id"),
        ("users", str(NOBODY), {"email": ""}, "bad_id"),
        ("users", "", {"email": ""}, "bad_id"),
        ("users", ROW, {}, "empty_operation"),
        ("users", ROW, {"email": None}, "empty_operation"),
        ("users", ROW, {"deleted": False}, "invalid"),
        ("users", ROW, {"is_active": "no"}, "invalid"),
        ("users", ROW, {"username": "a b"}, "invalid"),
        ("users", ROW, {"email": "a\n@b"}, "invalid"),
        ("users", ROW, {"password_hash": "x"}, "invalid"),
        ("users", ROW, {"roles_added": [str(ROLE)], "roles_removed": [str(ROLE)]}, "contradictory"),
        ("users", ROW, {"roles_added": [str(ROLE), str(ROLE)]}, "contradictory"),
        ("roles", ROW, {"name": " a"}, "invalid"),
        ("roles", ROW, {"description": "a\x00b"}, "invalid"),
        ("roles", ROW, {"is_built_in": True}, "invalid"),
        ("roles", ROW, {"permissions_added": ["a:b"] * 500}, "invalid"),
    ],
)
def test_what_cannot_be_wanted_is_refused(entity, row_id, fields, code):
    with pytest.raises(InvalidError) as caught:
        read_edit(entity, row_id, fields)
    assert caught.value.code == code


@given(st.text(max_size=60))
def test_names_are_read_from_any_text_without_harm(text):
    op_id, op_no = claimed_names(text)
    assert (op_id, op_no) == (NOBODY, 0) or isinstance(op_id, UUID)


def test_a_stored_hash_is_taken_apart_into_what_computes_it_again():
    stored = PasswordHasher(time_cost=2, memory_cost=8 * 1024, parallelism=1).hash("a password")
    parts = read_hash(stored)
    digest = hash_secret_raw(
        b"a password", parts.salt, parts.time_cost, parts.memory_kib, parts.parallelism, len(parts.digest), Type.ID
    )
    assert digest == parts.digest
    assert "digest" not in repr(parts)


@pytest.mark.parametrize("stored", ["!", "", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43, "$2b$12$abcdef"])
def test_what_is_no_argon2id_hash_has_no_parts(stored):
    assert read_hash(stored) is None
