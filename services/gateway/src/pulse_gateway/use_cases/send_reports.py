"""Send the reports that are due, each by one of the gateways.

Guaranteed: what became due while no gateway ran is sent once when one comes back, the newest report only. The owner's
rights count as they are when it is sent. An attempt is counted before it is made and kept when it ended; what did not
work for a reason that may pass is tried again, less and less often, and all of it can be seen. A process that dies
between handing a mail over and keeping that leaves an attempt that is made again, with the same message id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, PulseError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mail import Attachment, Mail, MailNotSentError, MailSender
from pulse_contracts.audit import AuditActor, AuditResource
from pulse_gateway.domain.report import Report
from pulse_gateway.domain.report_schedule import LEASE, RETRY_AFTER, Schedule, Sending, SendingState
from pulse_gateway.domain.report_text import report_csv, report_page, report_summary
from pulse_gateway.domain.scope import Scope
from pulse_gateway.use_cases.keep_dashboards import SERVICE
from pulse_gateway.use_cases.keep_schedules import due_sending
from pulse_gateway.use_cases.make_report import MakeReport
from pulse_gateway.use_cases.ports import PublishedState
from pulse_gateway.use_cases.schedule_ports import ScheduleStore

DUE_AT_ONCE: Final = 50
_GATEWAY: Final = AuditActor(kind="service", id=SERVICE, name=SERVICE)
_log = get_logger("reports")


@dataclass(eq=False)
class SendReports:
    """One pass sends everything that is due now."""

    store: ScheduleStore
    make: MakeReport
    published: PublishedState
    mail: MailSender
    clock: Clock

    async def __call__(self) -> None:
        """Send what is due. Raises UnavailableError."""
        if not self.make.state.is_ready:
            return
        while await self._open_due() == DUE_AT_ONCE:
            pass
        while (claimed := await self._claim()) is not None:
            await self._try(*claimed)

    async def _open_due(self) -> int:
        """Turn schedules that are due into sendings; return how many."""
        now = self.clock.now()
        async with self.store.change() as unit:
            due = await unit.claim_due(now, DUE_AT_ONCE)
            for schedule in due:
                rhythm = schedule.wish.rhythm
                newest = rhythm.last_until(now)
                await unit.add_sending(due_sending(schedule, newest, rhythm.covers(newest), now))
                await unit.save(replace(schedule, next_at=rhythm.next_after(now)))
        return len(due)

    async def _claim(self) -> tuple[Sending, Schedule] | None:
        now = self.clock.now()
        async with self.store.change() as unit:
            claimed = await unit.claim_sending(now)
            if claimed is None:
                return None
            sending, schedule = claimed
            taken = replace(sending, attempts=sending.attempts + 1, try_at=now + LEASE)
            await unit.save_sending(taken)
        return taken, schedule

    async def _try(self, sending: Sending, schedule: Schedule) -> None:
        try:
            report = await self.make(sending.question(schedule), await self._scope(schedule))
            await self.mail.send(_mail(schedule, sending, report))
        except PulseError as error:
            await self._keep(_after(sending, error, self.clock.now()), schedule)
        else:
            now = self.clock.now()
            sent = replace(
                sending, state=SendingState.SENT, finished_at=now, rows=len(report.rows), code=None, reason=None
            )
            await self._keep(sent, schedule)

    async def _scope(self, schedule: Schedule) -> Scope:
        """Return what the owner may do and see now. Raises ForbiddenError, UnavailableError."""
        access = (await self.published.load_access([schedule.user_id])).get(schedule.user_id)
        if access is None or not access.rights.is_active:
            message = "the owner is not active any more"
            raise ForbiddenError(message, code="user_inactive")
        return Scope(schedule.user_id, access.rights, access.devices)

    async def _keep(self, sending: Sending, schedule: Schedule) -> None:
        async with self.store.change() as unit:
            await unit.save_sending(sending)
            if sending.state is not SendingState.WAITING:
                resource = AuditResource(type="report_schedule", id=str(schedule.id))
                after = {"due_at": sending.due_at, "receivers": list(schedule.wish.receivers), "code": sending.code}
                event = audit_event(
                    SERVICE, f"report.{sending.state.value}", resource, self.clock.now(), actor=_GATEWAY, after=after
                )
                await unit.tell_audit(event)
        _log.info(
            "report_sending", schedule=str(schedule.id), state=sending.state.value, attempts=sending.attempts,
            code=sending.code,
        )  # fmt: skip


def _after(sending: Sending, error: PulseError, now: datetime) -> Sending:
    """Return how a sending stands after an attempt that did not work."""
    told = replace(sending, code=error.code, reason=error.message)
    if isinstance(error, ForbiddenError):
        return replace(told, state=SendingState.REFUSED, finished_at=now)
    may_pass = isinstance(error, UnavailableError) or (isinstance(error, MailNotSentError) and not error.is_final)
    if not may_pass or sending.attempts > len(RETRY_AFTER):
        return replace(told, state=SendingState.FAILED, finished_at=now)
    return replace(told, try_at=now + RETRY_AFTER[sending.attempts - 1])


def _mail(schedule: Schedule, sending: Sending, report: Report) -> Mail:
    if schedule.wish.attached_as == "csv":
        attached = Attachment(f"{report.file_name}.csv", "text/csv", report_csv(report, has_mark=True).encode())
    else:
        attached = Attachment(f"{report.file_name}.html", "text/html", report_page(report).encode())
    return Mail(
        to=schedule.wish.receivers,
        subject=f"{schedule.wish.name}: {report.title}",
        text=report_summary(report),
        attachments=(attached,),
        message_id=str(sending.id),
    )
