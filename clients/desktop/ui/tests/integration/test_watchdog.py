"""The watchdog sees a turn of the window's loop that is too long: the other tests believe it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from PySide6.QtCore import QTimer

from . import watchdog as watching
from .watchdog import WORK_SECONDS, LongTurnError, Watchdog


def work() -> None:
    """Take twice the processor time that a turn may."""
    end = time.thread_time() + 2 * WORK_SECONDS
    while time.thread_time() < end:
        pass


def test_a_turn_that_works_too_long_is_said_with_its_time(qtbot: Any) -> None:
    watchdog = Watchdog()
    QTimer.singleShot(0, work)
    qtbot.waitUntil(lambda: watchdog.turns > 2)
    watchdog.stop()
    with pytest.raises(LongTurnError, match=r"worked 1\d\d ms without a pause"):
        watchdog.check()


def test_a_thread_that_waits_is_no_machine_to_be_measured_again(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AWAY_SECONDS", WORK_SECONDS)
    watchdog = Watchdog()
    QTimer.singleShot(0, work)
    qtbot.waitUntil(lambda: watchdog.turns > 2)
    watchdog.stop()
    with pytest.raises(AssertionError, match="was away for") as raised:
        watchdog.check()
    assert not isinstance(raised.value, LongTurnError)
