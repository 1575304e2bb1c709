"""What a desktop said, and what goes back to it: the one door through which messages of desktops come in.

A desktop that is unknown, disabled or without keys gets no word: there is no key to seal one to, and nothing to say. It
is logged, once a minute for each. Everything else is answered, if only with a refusal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.sealing import SealError
from pulse_contracts.sync import PLAIN_UP, SEALED, Pull, Push, Report
from pulse_sync.use_cases.absorb_changes import AbsorbChanges, Hints
from pulse_sync.use_cases.ports import Desktop, ScopeReader, Standing
from pulse_sync.use_cases.serve_pull import ServePull
from pulse_sync.use_cases.take_push import TakePush
from pulse_sync.use_cases.take_report import TakeReport

MAX_UP_BYTES: Final = 1024 * 1024
"""As much as the broker takes."""
STRANGER_SECONDS: Final = 60.0
MAX_STRANGERS: Final = 10_000
"""Strangers whose last log line is remembered; beyond that the oldest is forgotten."""
_log = get_logger("answer_desktop")


class Strangers:
    """Remembers whom a log line was about, so that one device cannot fill the log."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()

    def note(self, device_id: str, reason: str) -> None:
        """Log that a message was not taken, once a minute for each device."""
        now = self._clock.monotonic()
        if now - self._told.get(device_id, -STRANGER_SECONDS) < STRANGER_SECONDS:
            return
        self._told[device_id] = now
        self._told.move_to_end(device_id)
        if len(self._told) > MAX_STRANGERS:
            self._told.popitem(last=False)
        _log.warning("desktop_refused", desktop=device_id, reason=reason)


@dataclass(frozen=True, slots=True)
class Desks:
    """Who serves what a desktop can ask for."""

    pull: ServePull
    push: TakePush
    report: TakeReport


class AnswerDesktop:
    """Reads a message, has it served, and returns the answer with the desktop that it is for."""

    def __init__(
        self,
        scopes: ScopeReader,
        absorb: AbsorbChanges,
        desks: Desks,
        unseal: Callable[[bytes], bytes],
        strangers: Strangers,
    ) -> None:
        self._scopes = scopes
        self._absorb = absorb
        self._desks = desks
        self._unseal = unseal
        self._strangers = strangers

    async def __call__(self, device_id: str, payload: bytes) -> tuple[Desktop, dict[str, Any]] | None:
        """Return what to say to whom; None when nothing is to be said. Raises UnavailableError."""
        message = self._read(device_id, payload)
        if message is None:
            return None
        standing = await self._standing(device_id)
        desktop = standing.desktop
        if desktop is None or not desktop.is_active:
            self._strangers.note(device_id, "not_a_desktop" if desktop is None else "disabled")
            return None
        if isinstance(message, Report):
            await self._desks.report(device_id, standing, message)
            return None
        if isinstance(message, Push):
            return desktop, await self._desks.push(desktop, message)
        return desktop, await self._desks.pull(device_id, standing, message)

    def _read(self, device_id: str, payload: bytes) -> Pull | Report | Push | None:
        try:
            if len(payload) > MAX_UP_BYTES:
                self._strangers.note(device_id, "too_large")
                return None
            if payload.startswith(SEALED):
                return Push.model_validate_json(self._unseal(payload[len(SEALED) :]))
            return PLAIN_UP.validate_json(payload)
        except SealError:
            self._strangers.note(device_id, "not_sealed_to_us")
        except ValidationError:
            self._strangers.note(device_id, "bad_message")
        return None

    async def _standing(self, device_id: str) -> Standing:
        standing = await self._scopes.standing(device_id)
        if standing.desktop is None or standing.is_scoped:
            return standing
        # It enrolled a moment ago: its scope is worked out now and not with the next comparison.
        await self._absorb(Hints(desktops=frozenset({device_id})))
        return await self._scopes.standing(device_id)
