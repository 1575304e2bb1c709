"""What a service tells the audit log.

A change is told in the transaction that makes it (`audit_events`, appended to the outbox by whoever changes). What has no
transaction, refusals and looks at data, goes through the service's `AuditTrail`: the first of a kind is told at once,
its repetitions within a minute as one event with their count, so that an attack cannot flood the log. Everything is
bounded; beyond the bound what cannot be told apart is still counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from fastapi import Request

from pulse_chassis import outbox
from pulse_chassis.clock import Clock
from pulse_chassis.database import Database
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.request_origin import ANONYMOUS, current_origin
from pulse_chassis.run import Worker
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_contracts.streams import AUDIT_STREAM

WINDOW: Final = timedelta(minutes=1)
MAX_KINDS: Final = 2_000
"""Kinds told apart within a window, and so events held while the database is away: some megabytes."""
MAX_STRANGERS: Final = 200
"""Of those, kinds by nobody known: whoever has many addresses fills neither the log with rows nor the place of others."""
WRITE_SECONDS: Final = 0.5
ROUTE: Final = "route"
_MANY: Final = "(many)"
_log = get_logger("audit")


def note_refusal(request: Request, code: str) -> None:
    """Have a refused request told, if its app has an `AuditTrail` (as `app.state.audit`)."""
    trail: AuditTrail | None = getattr(request.app.state, "audit", None)
    if trail is None:
        return
    path = getattr(request.scope.get("route"), "path", None)
    route = f"{request.method} {path}" if isinstance(path, str) else ROUTE
    trail.note("request.refused", AuditResource(type=ROUTE, id=route), AuditOutcome.REFUSED, code)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What makes two events alike."""

    action: str
    resource: AuditResource
    outcome: AuditOutcome
    reason: str | None
    actor: AuditActor
    address: str | None

    @property
    def is_stranger(self) -> bool:
        """Whether nobody knows who it was, but from where."""
        return self.actor == ANONYMOUS and self.address is not None


@dataclass(slots=True)
class _Window:
    """What was seen of one kind since its first event."""

    until: datetime
    first_at: datetime | None = None
    last_at: datetime | None = None
    count: int = 0


@dataclass(slots=True)
class AuditTrail:
    """A service's way to tell what has no transaction of its own."""

    service: str
    database: Database
    clock: Clock
    _windows: dict[_Kind, _Window] = field(default_factory=dict)
    _pending: list[AuditEvent] = field(default_factory=list)
    _strangers: int = 0
    _is_down: bool = False

    def note(self, action: str, resource: AuditResource, outcome: AuditOutcome, reason: str | None = None) -> None:
        """Tell that the request at hand did, or wanted, this."""
        now = self.clock.now()
        origin = current_origin()
        kind = _Kind(action, resource, outcome, reason, origin.actor, origin.address)
        if kind not in self._windows and self._is_full(kind):
            # Too many kinds to tell apart: who and what is lost, how many is not.
            kind = _Kind(action, AuditResource(type=resource.type, id=_MANY), outcome, reason, ANONYMOUS, None)
        window = self._windows.get(kind)
        if window is None:
            self._windows[kind] = _Window(now + WINDOW)
            self._strangers += kind.is_stranger
            self._pending.append(self._event(kind, now, request_id=origin.request_id))
            return
        window.first_at = window.first_at or now
        window.last_at = now
        window.count += 1

    def _is_full(self, kind: _Kind) -> bool:
        if kind.is_stranger and self._strangers >= MAX_STRANGERS:
            return True
        return len(self._windows) + len(self._pending) >= MAX_KINDS

    def worker(self) -> Worker:
        """Return the worker that writes to the outbox; asked to stop, it writes what there is."""
        return Worker("audit_trail", self._run)

    async def write(self, *, is_last: bool = False) -> None:
        """Append what is due to the outbox; raises UnavailableError, and then nothing is lost."""
        self._close_windows(is_last=is_last)
        writing = list(self._pending)
        if not writing:
            return
        async with self.database.transaction() as session:
            for event in writing:
                await outbox.append(session, AUDIT_STREAM, event)
        del self._pending[: len(writing)]

    def _close_windows(self, *, is_last: bool) -> None:
        now = self.clock.now()
        over = [kind for kind, window in self._windows.items() if is_last or window.until <= now]
        for kind in over:
            window = self._windows.pop(kind)
            self._strangers -= kind.is_stranger
            if window.first_at is not None:
                self._pending.append(self._event(kind, window.first_at, count=window.count, last_at=window.last_at))

    def _event(
        self,
        kind: _Kind,
        at: datetime,
        *,
        request_id: str | None = None,
        count: int = 1,
        last_at: datetime | None = None,
    ) -> AuditEvent:
        return AuditEvent(
            id=uuid4(),
            at=at,
            service=self.service,
            actor=kind.actor,
            action=kind.action,
            resource=kind.resource,
            outcome=kind.outcome,
            address=kind.address,
            request_id=request_id,
            reason=kind.reason,
            count=count,
            last_at=last_at,
        )

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._write_or_wait(is_last=False)
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
        await self._write_or_wait(is_last=True)

    async def _write_or_wait(self, *, is_last: bool) -> None:
        try:
            await self.write(is_last=is_last)
            self._is_down = False
        except UnavailableError as error:
            if not self._is_down:
                _log.warning("audit_writing_paused", reason=error.message, waiting=len(self._pending))
            self._is_down = True
