"""Tells `pulse:sync` how far each desktop is: when it said something, and when the log grew without it.

Several occasions within `PAUSE_SECONDS` are one look, and only what differs from what was told last is told. When the
log grew, the look comes `LOG_PAUSE_SECONDS` later: by then most desktops have pulled, and nobody was told of a lag of
moments, nor kept waiting for a page by a look at a thousand desktops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_contracts.streams import DesktopSyncChanged

PAUSE_SECONDS: Final = 0.25
LOG_PAUSE_SECONDS: Final = 2.0
"""Before a look at all desktops, which costs by their number."""
_log = get_logger("tell_desktops")


class StateBook(Protocol):
    """Knows how far desktops are, and tells it."""

    async def states(self, device_ids: Collection[str] | None) -> Sequence[DesktopSyncChanged]:
        """Return how far these desktops are; None: all of them."""
        ...

    async def tell(self, states: Sequence[DesktopSyncChanged]) -> None:
        """Have these published, in this order, by the outbox."""
        ...


class TellDesktops:
    """The `StateNews` of production."""

    def __init__(self, book: StateBook) -> None:
        self._book = book
        self._told: dict[str, DesktopSyncChanged] = {}
        self._desktops: set[str] = set()
        self._is_everybody = True
        self._wake = asyncio.Event()
        self._wake.set()

    def note_log(self) -> None:
        """The log has grown: every desktop may lag."""
        self._is_everybody = True
        self._wake.set()

    def note_desktop(self, device_id: str) -> None:
        """This desktop has said something, or one of its conflicts has changed."""
        self._desktops.add(device_id)
        self._wake.set()

    def worker(self) -> Worker:
        """Return the worker; asked to stop, it tells what there is."""
        return Worker("tell_desktops", self._run)

    async def tell(self) -> int:
        """Tell what differs from what was told; return how many. Raises UnavailableError, and nothing is forgotten."""
        desktops, everybody = self._desktops, self._is_everybody
        self._desktops, self._is_everybody = set(), False
        self._wake.clear()
        try:
            states = await self._book.states(None if everybody else desktops)
            news = [state for state in states if _seen(self._told.get(state.device_id)) != _seen(state)]
            if everybody:
                news += self._gone({state.device_id for state in states})
            if news:
                await self._book.tell(news)
        except UnavailableError:
            self._desktops |= desktops
            self._is_everybody = self._is_everybody or everybody
            self._wake.set()
            raise
        for state in news:
            if state.is_gone:
                del self._told[state.device_id]
            else:
                self._told[state.device_id] = state
        return len(news)

    def _gone(self, present: set[str]) -> list[DesktopSyncChanged]:
        return [
            state.model_copy(update={"is_gone": True})
            for device_id, state in self._told.items()
            if device_id not in present
        ]

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.2, 5.0)
        stopping = asyncio.create_task(stop.wait(), name="tell_stop")
        try:
            while not stop.is_set():
                waking = asyncio.create_task(self._wake.wait(), name="tell_wake")
                await asyncio.wait({stopping, waking}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                await asyncio.wait({stopping}, timeout=LOG_PAUSE_SECONDS if self._is_everybody else PAUSE_SECONDS)
                try:
                    await self.tell()
                    backoff.reset()
                except UnavailableError as error:
                    _log.warning("desktop_states_postponed", reason=error.message)
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
        finally:
            stopping.cancel()


def _seen(state: DesktopSyncChanged | None) -> DesktopSyncChanged | None:
    """Return what somebody would look at: a head that moved on without lag is no news."""
    return None if state is None else state.model_copy(update={"head": 0})
