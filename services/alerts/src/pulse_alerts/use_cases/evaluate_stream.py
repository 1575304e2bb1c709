"""Evaluate this worker's devices, life after life: whatever goes wrong, the next begins from what is committed."""

from __future__ import annotations

import asyncio
from typing import Final

from pulse_alerts.domain.patience import Patience
from pulse_alerts.use_cases.evaluation import Evaluation, Tools
from pulse_alerts.use_cases.ports import LostLeaseError, SharesMovedError
from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger

GATHER_SECONDS: Final = 0.05
_log = get_logger("evaluate_stream")


class EvaluateStream:
    """One worker."""

    def __init__(self, worker: str, tools: Tools, patience: Patience) -> None:
        self._worker = worker
        self._tools = tools
        self._patience = patience
        self._life: Evaluation | None = None
        self._is_away = False

    @property
    def partitions(self) -> list[int]:
        """Which partitions of the devices are this worker's now."""
        return [] if self._life is None else self._life.partitions

    @property
    def revision(self) -> int:
        """Which count of changes of rules is in force; -1 while nothing is evaluated."""
        return -1 if self._life is None else self._life.revision

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate until `stop`; then commit, and give the devices to others, in whatever moment that comes."""
        backoff = Backoff(0.2, 5.0)
        while not stop.is_set():
            try:
                await self._live(stop, backoff)
            except UnavailableError as error:
                if not self._is_away:
                    _log.warning("evaluation_interrupted", reason=error.message)
                self._is_away = True
                await _pause(stop, backoff.next_delay())
            except LostLeaseError:
                _log.warning("evaluation_lost_its_lease")
                await _pause(stop, backoff.next_delay())
            except SharesMovedError:
                _log.info("evaluation_shares_moved")
            self._tools.count("evaluations_restarted")
        await self._give_back()

    async def _give_back(self) -> None:
        """Let others have the devices at once, also where the last life ended by an error, or the next never began."""
        try:
            await self._tools.store.release(self._worker)
        except UnavailableError as error:
            _log.warning("devices_not_given_back", reason=error.message)

    async def _live(self, stop: asyncio.Event, backoff: Backoff) -> None:
        evaluation = Evaluation(self._worker, self._tools, self._patience, was_away=self._is_away)
        await evaluation.open()
        self._life = evaluation
        self._is_away = False
        try:
            while not stop.is_set():
                if await evaluation.advance():
                    # What comes in a moment is read at once: asking for each entry by itself costs more than evaluating.
                    await _pause(stop, GATHER_SECONDS)
                backoff.reset()
            await evaluation.flush()
        finally:
            self._life = None


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
