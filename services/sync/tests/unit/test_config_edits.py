"""Concurrent edits of a configuration entry: what stands does not depend on who was heard first, and nothing is lost."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.configuration import ConfigAddress, ConfigScope
from pulse_contracts.reconciliation import Winner
from pulse_contracts.stamps import Stamp, make_stamp
from pulse_sync.domain.config_edits import ConfigEdit, conflict_report, decide_edit, edited
from pulse_sync.domain.config_entries import ConfigEntry

ADDRESS = ConfigAddress(scope=ConfigScope.DEVICE, target="d", key="custom.a")


def entry(value: Any = "old", version: int = 3, at: int = 1000, *, is_deleted: bool = False) -> ConfigEntry:
    return ConfigEntry(ADDRESS, None if is_deleted else value, version, make_stamp(at), "u", "web", is_deleted)


def edit(value: Any, base: int, at: int, *, is_deletion: bool = False) -> ConfigEdit:
    return ConfigEdit(ADDRESS, base, make_stamp(at), "u", None if is_deletion else value, is_deletion)


def applied(start: ConfigEntry | None, edits: list[ConfigEdit]) -> ConfigEntry | None:
    """Apply edits as sync does, and look at what every step must keep."""
    held = start
    for one in edits:
        decision = decide_edit(one, held)
        report = conflict_report(one, held, decision)
        if decision.apply:
            after = edited(one, held)
            assert (after.value, after.is_deleted) == (one.value, one.is_deletion)
            assert held is None or (after.version == held.version + 1 and after.stamp > held.stamp)
            assert report is None or (report.winner, report.server_fields) == ("desktop", held and held.fields)
            held = after
        else:
            # Told as lost and kept whole, unless it only wanted what is so already.
            assert decision.winner is Winner.SERVER or one.is_deletion
            assert report is None or (report.winner, report.desktop_fields) == ("server", one.mask)
            assert one.is_deletion or report is not None
    return held


def shown(held: ConfigEntry | None) -> Any:
    return None if held is None or held.is_deleted else held.value


edits_of_one_version = st.lists(
    st.builds(
        lambda at, is_deletion: (at, is_deletion), st.integers(1001, 9999), st.sampled_from([False] * 4 + [True])
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda made: made[0],
)


@given(edits_of_one_version)
def test_edits_of_the_same_version_end_the_same_in_whatever_order(made: list[tuple[int, bool]]) -> None:
    edits = [edit(f"at {at}", 3, at, is_deletion=is_deletion) for at, is_deletion in made]
    results = {shown(applied(entry(), list(order))) for order in itertools.permutations(edits)}
    latest = max(edits, key=lambda one: one.stamp)
    expected = None if any(one.is_deletion for one in edits) else latest.value
    assert results == {expected}


@given(st.lists(st.integers(1, 9999), min_size=1, max_size=4, unique=True))
def test_entries_made_anew_at_several_desktops_end_with_the_latest(stamps: list[int]) -> None:
    edits = [edit(f"at {at}", 0, at) for at in stamps]
    assert {shown(applied(None, list(order))) for order in itertools.permutations(edits)} == {f"at {max(stamps)}"}


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from([0, 1, 2, 3]))
def test_after_a_deletion_only_what_was_made_anew_later_stands(deleted_at: int, at: int, base: int) -> None:
    tombstone = entry(version=3, at=deleted_at, is_deleted=True)
    held = applied(tombstone, [edit("new", base, at)])
    is_anew = base in {0, 3} and at > deleted_at
    assert held == (tombstone if not is_anew else held)
    assert shown(held) == ("new" if is_anew else None)
    assert applied(tombstone, [edit(None, base, at, is_deletion=True)]) == tombstone


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9999), st.booleans()), max_size=12))
def test_whatever_comes_versions_and_stamps_only_grow(script: list[tuple[int, int, bool]]) -> None:
    applied(entry(version=2), [edit(n, base, at, is_deletion=gone) for n, (base, at, gone) in enumerate(script)])


def test_an_entry_that_never_was_begins_with_version_one_whatever_a_desktop_claims() -> None:
    made = applied(None, [edit("x", 2**63, 10)])
    assert made is not None
    assert (made.version, made.stamp) == (1, Stamp("0000000000010-0000"))
    assert applied(None, [edit(None, 5, 10, is_deletion=True)]) is None
