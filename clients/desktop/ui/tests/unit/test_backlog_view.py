"""What waits, and how far catching up has come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.local_status import Backlog, Drain
from pulse_desktop.link import scripted_world as world
from pulse_desktop.model.backlog import BacklogWatch
from pulse_desktop.texts.catalogue import TEXTS
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

TEXT = TEXTS[Language.ENGLISH]
NOW = world.NOW_MS / 1000


def backlog(left: int, started_with: int = 1000, **more: object) -> Backlog:
    drain = Drain(started_ms=1, started_with=started_with, left=left, rate_per_s=200.0, seconds_left=left / 200)
    return Backlog(readings=left, bytes=left, max_bytes=10**9, fullness="normal", drain=drain).model_copy(update=more)


def test_a_drain_is_told_by_share_rate_and_time_left() -> None:
    view = BacklogWatch().view(world.draining().backlog, NOW, TEXT)
    assert view.count == "4,210"
    assert view.drain is not None
    assert view.drain.sentence == "66%, 4,210 records left, 913 records/s, about 4 s left"


def test_what_is_not_known_yet_is_said_so() -> None:
    drain = Drain(started_ms=1, started_with=10, left=10)
    view = BacklogWatch().view(backlog(10, drain=drain), NOW, TEXT)
    assert view.drain is not None
    assert (view.drain.rate, view.drain.time_left) == ("measuring the rate", "time left not known yet")


@given(st.lists(st.integers(0, 2000), min_size=1))
def test_the_share_of_one_drain_never_runs_backwards(lefts: list[int]) -> None:
    watch = BacklogWatch()
    shares = [view.drain.share for left in lefts if (view := watch.view(backlog(left), NOW, TEXT)).drain is not None]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_the_next_drain_begins_anew() -> None:
    watch = BacklogWatch()
    watch.view(backlog(0), NOW, TEXT)
    second = Drain(started_ms=2, started_with=100, left=100)
    view = watch.view(backlog(100, drain=second), NOW, TEXT)
    assert view.drain is not None
    assert view.drain.share == 0


def test_an_empty_buffer_says_that_nothing_waits() -> None:
    view = BacklogWatch().view(world.status().backlog, NOW, TEXT)
    assert (view.count, view.detail, view.drain, view.warning) == ("0", "Nothing waits", None, "")


def test_a_buffer_that_fills_up_warns() -> None:
    full = BacklogWatch().view(backlog(5, fullness="warning"), NOW, TEXT)
    critical = BacklogWatch().view(backlog(5, fullness="critical"), NOW, TEXT)
    disk = BacklogWatch().view(backlog(5, is_disk_low=True), NOW, TEXT)
    assert [full.tone, critical.tone, disk.tone] == [Tone.WARN, Tone.BAD, Tone.BAD]
    assert "70%" in full.warning
    assert disk.warning == "This disk is almost full."
