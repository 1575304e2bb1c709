"""Every way to tamper with the chain is found, and at the right row."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_identity.domain.audit_chain import (
    START,
    AuditRow,
    ChainWalk,
    Link,
    canonical,
    checkpoint_payload,
    columns,
    digest_of,
    extend,
)
from pulse_identity.storage.audit_signer import AuditSigner

LENGTH = 12
BEGIN = datetime(2026, 11, 21, tzinfo=UTC)


def event(number: int, name: str = "a") -> AuditEvent:
    return AuditEvent(
        id=UUID(int=number),
        at=BEGIN + timedelta(microseconds=number),
        service="identity",
        actor=AuditActor(kind="user", id="1", name=name),
        action="user.changed",
        resource=AuditResource(type="user", id=str(number)),
        outcome=AuditOutcome.SUCCESS,
        after={"n": number},
    )


@pytest.fixture
def rows() -> list[AuditRow]:
    return extend(START, [event(number) for number in range(1, LENGTH + 1)])


def fault(rows, *known: Link) -> tuple[int, str] | None:
    walk = ChainWalk()
    walk.expect(known)
    for row in rows:
        if not walk.take(row):
            break
    found = walk.end()
    return None if found is None else (found.seq, found.kind)


def renamed(row: AuditRow, previous: bytes | None = None) -> AuditRow:
    """The row with another actor, its digest and columns in step."""
    told = event(row.seq, "mallory")
    previous = row.previous if previous is None else previous
    entry = canonical(told)
    return AuditRow(row.seq, entry, previous, digest_of(previous, row.seq, entry), columns(told))


def test_an_untouched_chain_is_whole(rows):
    assert fault(rows, rows[4].link, rows[-1].link) is None
    assert fault([]) is None


@pytest.mark.parametrize("place", range(LENGTH))
def test_an_edited_row_is_found(rows, place):
    rows[place] = replace(rows[place], entry=rows[place].entry.replace("user.changed", "user.deleted"))
    assert fault(rows, rows[-1].link) == (place + 1, "edited")


@pytest.mark.parametrize("place", range(LENGTH))
def test_an_edited_column_is_found_although_the_entry_is_whole(rows, place):
    shown = list(rows[place].shown)
    shown[5] = "somebody else"
    rows[place] = replace(rows[place], shown=tuple(shown))
    assert fault(rows, rows[-1].link) == (place + 1, "edited")


@pytest.mark.parametrize("place", range(LENGTH - 1))
def test_an_edited_row_with_its_digest_computed_anew_is_found(rows, place):
    rows[place] = renamed(rows[place])
    assert fault(rows, rows[-1].link) == (place + 1, "edited")


def test_the_last_row_computed_anew_is_found_by_the_signature(rows):
    signed = rows[-1].link
    rows[-1] = renamed(rows[-1])
    assert fault(rows, signed) == (LENGTH, "rewritten")


@pytest.mark.parametrize("place", range(LENGTH - 1))
def test_a_deleted_row_is_found(rows, place):
    del rows[place]
    assert fault(rows) == (place + 1, "missing")


@pytest.mark.parametrize("place", range(LENGTH - 1))
def test_a_deleted_row_is_found_although_all_later_ones_were_numbered_anew(rows, place):
    del rows[place]
    moved = [replace(row, seq=number) for number, row in enumerate(rows, 1)]
    assert fault(moved, Link(LENGTH, bytes(32))) == (place + 1, "misplaced")


@given(st.tuples(st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1)).filter(lambda two: two[0] < two[1]))
def test_swapped_rows_are_found_at_the_first_of_them(two):
    rows = extend(START, [event(number) for number in range(1, LENGTH + 1)])
    first, second = two
    rows[first], rows[second] = replace(rows[second], seq=first + 1), replace(rows[first], seq=second + 1)
    found = fault(rows)
    assert found is not None
    assert found[0] == first + 1


@pytest.mark.parametrize("left", range(LENGTH))
def test_a_truncated_end_is_found_by_the_signature(rows, left):
    assert fault(rows[:left], rows[-1].link) == (left + 1, "truncated")


@given(st.integers(0, LENGTH - 1))
def test_a_chain_computed_anew_from_a_row_on_is_found_at_the_next_signed_place(start):
    rows = extend(START, [event(number) for number in range(1, LENGTH + 1)])
    signed = [rows[index].link for index in (3, 7, LENGTH - 1)]
    last = rows[start - 1].digest if start else START.digest
    for place in range(start, LENGTH):
        rows[place] = renamed(rows[place], last)
        last = rows[place].digest
    assert fault(rows, *signed) == (next(link.seq for link in signed if link.seq > start), "rewritten")


def test_an_event_that_comes_twice_is_written_once():
    assert [row.seq for row in extend(START, [event(1), event(1), event(2)])] == [1, 2]


def test_the_canonical_text_does_not_depend_on_the_order_of_fields_and_holds_what_a_column_cannot():
    told = event(1).model_copy(update={"after": {"b": "\0\n", "a": 1}})
    text = canonical(AuditEvent.model_validate_json(canonical(told)))
    assert text == canonical(told)
    assert text.isascii()
    assert json.loads(text)["after"] == {"a": 1, "b": "\0\n"}


def test_a_signature_is_of_one_place_and_one_secret():
    ours, theirs = (AuditSigner(SecretStr(f"secret number {number} of the test")) for number in (1, 2))
    payload = checkpoint_payload(Link(7, bytes(32)), BEGIN)
    signature = ours.sign(payload)
    assert ours.is_ours(payload, signature)
    assert AuditSigner(SecretStr("secret number 1 of the test")).is_ours(payload, signature)
    assert not theirs.is_ours(payload, signature)
    assert not ours.is_ours(checkpoint_payload(Link(8, bytes(32)), BEGIN), signature)
    assert not ours.is_ours(payload, b"no signature at all")
