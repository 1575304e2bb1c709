"""The current value, who is signed in, and what a refused sign-in is told."""

from __future__ import annotations

import pytest

from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import LatestValue
from pulse_contracts.permissions import Permission
from pulse_desktop.link import scripted_world as world
from pulse_desktop.model.access import may, session_view, sign_in_problem
from pulse_desktop.model.values import Freshness, chosen_metric, unit_of, value_view
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

TEXT = TEXTS[Language.ENGLISH]
NOW = world.NOW_MS / 1000


@pytest.mark.parametrize(
    ("age_s", "interval", "freshness"),
    [
        (0.5, 1.0, Freshness.FRESH),
        (3, 1.0, Freshness.AGEING),
        (6, 1.0, Freshness.STALE),
        (90, 60.0, Freshness.FRESH),
        (400, 60.0, Freshness.STALE),
        (1, None, Freshness.FRESH),
    ],
)
def test_a_value_looks_as_old_as_it_is(age_s: float, interval: float | None, freshness: Freshness) -> None:
    latest = LatestValue(value=42.5, at_ms=int((NOW - age_s) * 1000))
    view = value_view("cpu_percent", latest, interval, NOW, TEXT)
    assert view.freshness is freshness
    assert (view.text, view.unit) == ("42.50", "%")
    assert ("stale" in view.age) == (freshness is Freshness.STALE)


def test_a_name_tells_its_unit_or_none() -> None:
    assert (unit_of("oven.temperature_celsius"), unit_of("pieces")) == ("°C", "")


def test_the_metric_chosen_before_is_shown_while_it_is_there() -> None:
    assert chosen_metric(["b", "a"], "b") == "b"
    assert chosen_metric(["b", "a"], "gone") == "a"
    assert chosen_metric([], "b") is None


def test_nobody_may_anything() -> None:
    assert not may(None, Permission.USERS_READ)
    assert not may(world.session(Permission.SYNC_READ), Permission.USERS_READ)
    assert may(world.session(Permission.SYNC_READ), Permission.SYNC_READ)


def test_the_lease_is_shown_and_warned_of_a_day_before_its_end() -> None:
    calm = session_view(world.session(), NOW, TEXT)
    assert (calm.warning, calm.tone, calm.state) == ("", Tone.OK, "Signed in, server reached")
    short = session_view(world.session(lease_until_ms=world.NOW_MS + 2 * 3_600_000, is_online=False), NOW, TEXT)
    assert short.warning == "In 2 h you can no longer sign in here without the server."
    assert (short.tone, short.state) == (Tone.WARN, "Signed in offline")


def test_a_lockout_says_how_long() -> None:
    locked = ErrorBody(code="locked_out", message="too many wrong passwords", retry_after=29.6)
    assert sign_in_problem(locked, TEXT) == "Too many attempts. Try again in 30 s."
    assert sign_in_problem(ErrorBody(code="wrong_credentials", message="x"), TEXT) == "Name or password is wrong."
