"""Take what devices say of commands, many messages in one transaction.

Guaranteed: the broker gets its acknowledgement after the commit, never before; a report counts only for a command of the
device that sent it; whatever else comes is refused, counted and written down with its reason, and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_commands.domain.asking import Patience, closed
from pulse_commands.domain.command import By, Changed, Command, Step
from pulse_commands.domain.life import Word, hear
from pulse_commands.domain.specifications import declaration_problem
from pulse_commands.use_cases.ports import Count, Declaration, Receipts, Refusal, RefusalAudit, Work
from pulse_contracts.commands import CapabilityReport, CommandState, RefusalReport, StatusReport

BATCH_MESSAGES: Final = 200
MAX_UNCERTAIN: Final = 1_000
"""Messages that may wait before those of QoS 0, which nothing else bounds, are dropped."""
KNOWN_REFUSALS: Final = frozenset(
    {
        "bad_signature",
        "unknown_key",
        "retained",
        "wrong_audience",
        "wrong_topic",
        "replayed",
        "malformed",
        "too_large",
    }
)
_log = get_logger("take_reports")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is no report, and why."""

    code: str
    detail: str


Said = StatusReport | RefusalReport | CapabilityReport | Unreadable


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of a device's status topic; the broker says who sent it."""

    device_id: str
    said: Said
    receipt: object


@dataclass(eq=False)
class _Taken:
    """One batch, while it is worked on."""

    now: datetime
    held: dict[UUID, Command]
    steps: dict[UUID, list[Step]] = field(default_factory=dict)
    declared: dict[str, Declaration] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    counted: int = 0


@dataclass(eq=False)
class TakeReports:
    """One worker; messages come by `offer`. `wake` is told whose command ended: the next one's turn has come."""

    work: Work
    receipts: Receipts
    patience: Patience
    clock: Clock
    count: Count
    audit: RefusalAudit
    wake: Callable[[Collection[str]], None]
    drained: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _waiting: deque[Arrival] = field(init=False, default_factory=deque)
    _arrived: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def offer(self, arrival: Arrival, *, is_certain: bool) -> None:
        """Take a message. How many certain ones may wait, the link's Receive Maximum says; others are dropped beyond it."""
        if not is_certain and len(self._waiting) >= MAX_UNCERTAIN:
            self.count("reports_dropped")
            return
        self._waiting.append(arrival)
        self._arrived.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, and then until nothing waits; an outage of the database is waited out."""
        stopping = asyncio.create_task(stop.wait(), name="take_reports_stop")
        backoff = Backoff(0.1, 2.0)
        is_away = False
        try:
            while self._waiting or not stop.is_set():
                if not self._waiting:
                    await self._wait(stopping)
                    continue
                batch = [self._waiting[place] for place in range(min(len(self._waiting), BATCH_MESSAGES))]
                try:
                    await self.take(batch)
                except UnavailableError as error:
                    if not is_away:
                        _log.warning("reports_deferred", reason=error.message)
                    is_away = True
                    if stop.is_set():
                        break  # Not acknowledged: the broker, or the device, says it again.
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
                    continue
                is_away = False
                backoff.reset()
                for _ in batch:
                    self._waiting.popleft()
        finally:
            stopping.cancel()
            self.drained.set()

    async def _wait(self, stopping: asyncio.Task[bool]) -> None:
        arrived = asyncio.create_task(self._arrived.wait(), name="take_reports_arrived")
        try:
            await asyncio.wait({stopping, arrived}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
        self._arrived.clear()

    async def take(self, batch: Sequence[Arrival]) -> None:
        """Commit what these say, then acknowledge them. Raises UnavailableError, and then nothing was done."""
        async with self.work.change() as unit:
            ids = {arrival.said.jti for arrival in batch if isinstance(arrival.said, StatusReport)}
            now = self.clock.now()
            before = await unit.locked(ids)
            taken = _Taken(now, dict(before))
            for arrival in batch:
                self._one(taken, arrival)
            await unit.save(
                [
                    Changed(command, tuple(taken.steps.get(command_id, ())))
                    for command_id, command in taken.held.items()
                    if command is not before[command_id]
                ]
            )
            for device_id in sorted(taken.declared):  # in one order, so that two who write the same ones take turns
                await unit.declare(device_id, taken.declared[device_id])
            fresh = await unit.note_refusals(taken.refusals)
        self.receipts.acknowledge([arrival.receipt for arrival in batch])
        self.count("reports_taken", taken.counted)
        self._tell(taken.refusals, fresh)
        self.wake({c.device_id for i, c in taken.held.items() if c.life.has_ended and not before[i].life.has_ended})

    def _one(self, taken: _Taken, arrival: Arrival) -> None:
        match arrival.said:
            case StatusReport() as report:
                self._status(taken, arrival.device_id, report)
            case CapabilityReport() as report:
                problem = declaration_problem(report.commands)
                if problem is not None:
                    taken.refusals.append(_refusal(taken, arrival, "bad_capabilities", problem))
                else:
                    taken.declared[arrival.device_id] = Declaration(tuple(report.commands), taken.now)
                    taken.counted += 1
            case RefusalReport() as report:
                code = report.code if report.code in KNOWN_REFUSALS else "other"
                detail = report.detail if code == report.code else f"{report.code}: {report.detail}"
                told = Refusal(arrival.device_id, "device", code, detail, taken.now, report.jti)
                taken.refusals.append(told)
            case Unreadable(code, detail):
                taken.refusals.append(_refusal(taken, arrival, code, detail))

    def _status(self, taken: _Taken, device_id: str, report: StatusReport) -> None:
        command = taken.held.get(report.jti)
        if command is None or command.device_id != device_id:
            code = "unknown_command" if command is None else "foreign_command"
            detail = "there is no such command" if command is None else "this command is another device's"
            taken.refusals.append(Refusal(device_id, "service", code, detail, taken.now, str(report.jti)))
            return
        taken.counted += 1
        word = Word(CommandState(report.state), report.at, report.progress, report.message)
        life = hear(command.life, word)
        if life is None:
            # Nothing new, and yet a sign of life.
            if not command.life.has_ended:
                schedule = self.patience.heard(command.schedule, taken.now)
                taken.held[report.jti] = replace(command, schedule=schedule)
            return
        by = By("device", device_id)
        error = None if report.error is None else report.error.code
        step = Step(
            uuid4(), command.id, life.state, taken.now, by, _moment(report.at), report.progress, word.message, error
        )
        taken.steps.setdefault(report.jti, []).append(step)
        command = replace(command, life=life, updated_at=taken.now)
        if life.has_ended:
            schedule = closed(command.schedule, taken.now)
            taken.held[report.jti] = replace(command, schedule=schedule, result=report.result, error=report.error)
        else:
            taken.held[report.jti] = replace(command, schedule=self.patience.heard(command.schedule, taken.now))

    def _tell(self, refusals: Sequence[Refusal], fresh: Sequence[Refusal]) -> None:
        for refusal in fresh:
            _log.warning(
                "command_refused" if refusal.side == "device" else "report_refused",
                device_id=refusal.device_id,
                code=refusal.code,
                detail=refusal.detail,
                jti=refusal.jti,
            )
        for refusal in refusals:
            self.count("refused_by_devices" if refusal.side == "device" else "reports_refused")
            self.audit.note(refusal)


def _refusal(taken: _Taken, arrival: Arrival, code: str, detail: str) -> Refusal:
    return Refusal(arrival.device_id, "service", code, detail, taken.now)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
