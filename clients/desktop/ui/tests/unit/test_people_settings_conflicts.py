"""Entries of forms, marks of what waits, settings as they are typed, both sides of a conflict."""

from __future__ import annotations

import pytest

from pulse_contracts.configuration import BUILT_IN_KEYS
from pulse_contracts.local_people import Pending
from pulse_contracts.value_specs import ValueSpec, ValueType
from pulse_desktop.link import scripted_world as world
from pulse_desktop.model.conflicts import conflict_view
from pulse_desktop.model.people import RoleDraft, UserDraft, changes, lacking, pending_mark, role_names
from pulse_desktop.model.settings import (
    amount_text,
    as_text,
    bounds_text,
    from_text,
    hint_text,
    shown_value,
    text_problem,
    unit_word,
)
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

TEXT = TEXTS[Language.ENGLISH]
INTERVAL = BUILT_IN_KEYS["telemetry.interval_ms"]


@pytest.mark.parametrize(
    ("draft", "wrong"),
    [
        (UserDraft("anna", "", "long enough", frozenset()), set()),
        (UserDraft("a", "", "long enough", frozenset()), {"username"}),
        (UserDraft("anna", "nobody", "long enough", frozenset()), {"email"}),
        (UserDraft("anna", "", "short", frozenset()), {"password"}),
        (UserDraft("anna-lena", "", "Anna-Lena", frozenset()), {"password"}),
        (UserDraft("a b", "x", "", frozenset()), {"username", "email", "password"}),
    ],
)
def test_what_is_wrong_with_a_new_user_is_said_by_field(draft: UserDraft, wrong: set[str]) -> None:
    assert set(draft.problems(TEXT, is_new=True)) == wrong


def test_a_password_that_is_left_empty_stays() -> None:
    assert UserDraft("anna", "", "", frozenset()).problems(TEXT, is_new=False) == {}


def test_a_roles_name_is_looked_at() -> None:
    assert RoleDraft("night shift", "", frozenset()).problems(TEXT) == {}
    assert set(RoleDraft("-", "", frozenset()).problems(TEXT)) == {"name"}


def test_only_what_changed_is_sent() -> None:
    assert changes(["a", "b"], ["b", "c"]) == (["c"], ["a"])


def test_nobody_gives_what_they_lack() -> None:
    from pulse_contracts.permissions import Permission

    own = world.session(Permission.ALERTS_READ)
    assert lacking(["alerts:read", "users:write"], own) == ["users:write"]
    assert lacking(["alerts:read"], None) == ["alerts:read"]


def test_each_kind_of_pending_edit_has_its_mark() -> None:
    assert pending_mark(None, TEXT).tone is Tone.OK
    assert pending_mark(Pending(is_new=True), TEXT).text == "New, waits for the server"
    assert pending_mark(Pending(is_deleted=True), TEXT).tone is Tone.WARN
    assert (
        pending_mark(Pending(fields=["email", "roles"]), TEXT).text == "Changed (e-mail, roles), waits for the server"
    )


def test_roles_are_told_by_name_and_an_unknown_one_by_id() -> None:
    by_id = {role.id: role for role in world.roles().rows}
    ben = world.users().rows[1]
    assert role_names(ben, by_id) == "night shift, operator"
    assert role_names(ben.model_copy(update={"roles": ["gone"]}), by_id) == "gone"


@pytest.mark.parametrize("key", BUILT_IN_KEYS)
def test_every_default_survives_its_field(key: str) -> None:
    spec = BUILT_IN_KEYS[key]
    if spec.default is not None:
        assert from_text(spec, as_text(spec, spec.default)) == spec.default
        assert text_problem(spec, as_text(spec, spec.default), TEXT) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1000", ""),
        ("9", "From 10 ms to 1 d."),
        ("1.5", "A whole number."),
        ("", "A whole number."),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_while_it_is_typed(text: str, problem: str) -> None:
    assert text_problem(INTERVAL, text, TEXT) == problem


def test_texts_lists_and_truths_are_typed_as_people_would() -> None:
    sources = BUILT_IN_KEYS["telemetry.sources"]
    assert from_text(sources, " host ; lines:port=7070 ;") == ["host", "lines:port=7070"]
    assert as_text(sources, ["host", "lines"]) == "host; lines"
    assert from_text(ValueSpec(type=ValueType.NUMBER), "2,5") == 2.5
    assert text_problem(ValueSpec(type=ValueType.TEXT, max_length=3), "long", TEXT) == "At most 3 characters."
    assert from_text(ValueSpec(type=ValueType.BOOLEAN), "true") is True


def test_large_amounts_are_said_in_larger_units() -> None:
    room = BUILT_IN_KEYS["outbox.max_bytes"]
    assert amount_text(room, 1_073_741_824, TEXT) == "1.1 GB"
    assert bounds_text(room, TEXT) == "From 1.0 MB to 1.1 PB."
    assert amount_text(INTERVAL, 200, TEXT) == ""
    assert bounds_text(ValueSpec(type=ValueType.NUMBER, minimum=2), TEXT) == "At least 2."


def test_what_the_age_of_readings_means_is_said_with_its_unit_and_what_0_does() -> None:
    key = "outbox.max_age_s"
    found = [
        (unit_word(BUILT_IN_KEYS[key], texts), hint_text(key, BUILT_IN_KEYS[key], texts)) for texts in TEXTS.values()
    ]
    assert [unit for unit, _ in found] == ["seconds", "Sekunden"]
    assert "From 0 seconds to 3660 d. With 0, none expires;" in found[0][1]
    assert "Von 0 Sekunden bis 3660 d. Mit 0 verfällt nichts;" in found[1][1]


@pytest.mark.parametrize("language", Language)
def test_every_key_whose_0_means_something_else_says_so(language: Language) -> None:
    special = {key for key, spec in BUILT_IN_KEYS.items() if "0: " in spec.description}
    assert special
    assert special == TEXTS[language].settings.meanings.keys()


def test_any_value_is_shown_in_one_line() -> None:
    values = [None, True, "x", ["a", "b"], [], {"a": 1}]
    assert [shown_value(value, TEXT) for value in values] == ["—", "Yes", "x", "a, b", "—", '{"a": 1}']


def test_both_sides_of_a_conflict_are_shown_with_names_for_ids() -> None:
    names = {role.id: role.name for role in world.roles().rows}
    lost, rejected = world.conflicts().rows
    view = conflict_view(lost, names, TEXT)
    assert (view.title, view.outcome, view.can_decide) == ("User ben", "The server's version holds.", True)
    assert [(side.field, side.here, side.server) for side in view.sides] == [
        ("e-mail", "ben@presses.example.org", "ben@example.org"),
        ("roles given", "night shift", "operator"),
    ]
    decided = conflict_view(rejected.model_copy(update={"resolution": "accepted"}), names, TEXT)
    assert (decided.tone, decided.can_decide, decided.resolution) == (Tone.MUTE, False, "Left as it was.")


def test_a_password_of_a_conflict_is_never_shown() -> None:
    lost = world.conflicts().rows[0].model_copy(update={"here": {"password": True}})
    assert conflict_view(lost, {}, TEXT).sides[0].here == "a new password"
