"""Work that is too much for one turn of the event loop, done a step a turn, so that the window answers in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, QTimer

_END = object()


def in_own_turn(owner: QObject, act: Callable[[], object]) -> None:
    """Do something soon, in a turn that has nothing else to do for us; not at all once `owner` is gone."""
    # The first of the two may still come in the turn of whoever asks.
    QTimer.singleShot(0, owner, lambda: QTimer.singleShot(0, owner, act))


def in_turns(owner: QObject, work: Iterator[object]) -> None:
    """Do one step of `work` in each of the next turns of the loop, until it ends or `owner` is gone."""

    def turn() -> None:
        if next(work, _END) is not _END:
            QTimer.singleShot(0, owner, turn)

    in_own_turn(owner, turn)
