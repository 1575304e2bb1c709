"""The only crossing between the window and the agent: immutable states come down, intents go up.

Guarantees: whatever takes time happens in the link's thread; a callback runs in the window's thread, once, and not at all
when its owner is gone. Never does: wait for the agent.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel
from PySide6.QtCore import QObject, Qt, Signal
from shiboken6 import isValid

from pulse_contracts.local_enrolment import StepEvent
from pulse_contracts.local_people import Session, WhoAmI
from pulse_contracts.local_protocol import Changed, ErrorBody, LogEvent, Notice
from pulse_contracts.local_status import Backlog, Latest, LatestValue, NoParams, Status
from pulse_contracts.local_updates import UpdateStatus
from pulse_desktop.link.keeper import AgentKeeper
from pulse_desktop.link.link import Intent, Link
from pulse_desktop.link.mailbox import Answer, Mailbox, Told
from pulse_desktop.link.state import LinkPhase, LinkState

Result = TypeVar("Result", bound=BaseModel)
OnError = Callable[[ErrorBody], None]


class Bridge(QObject):
    """What windows know of the agent. The newest of each state is kept, so that a new window is complete at once."""

    link_changed = Signal(object)
    status_changed = Signal(object)
    session_changed = Signal(object)
    readings_came = Signal(object)
    lists_changed = Signal(object)
    notice_came = Signal(object)
    log_came = Signal(object)
    step_came = Signal(object)
    update_changed = Signal(object)
    _woken = Signal()

    def __init__(self, data: Path, agent_command: Sequence[str], version: str) -> None:
        super().__init__()
        self.data = data
        self.link = LinkState(LinkPhase.STARTING, time.time())
        self.status: Status | None = None
        self.update: UpdateStatus | None = None
        self.session: Session | None = None
        self.latest: dict[str, LatestValue] = {}
        self._tickets = count(1)
        self._open: dict[int, tuple[QObject, Callable[[BaseModel], None], OnError]] = {}
        self._mailbox = Mailbox(self._woken.emit)
        self._link = Link(data, AgentKeeper(agent_command, data, time.monotonic), self._mailbox, version)
        self._thread = threading.Thread(target=self._live, name="agent link", daemon=True)
        self._woken.connect(self._empty_mailbox, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Begin to look for the agent."""
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End the line; the agent goes on."""
        self._link.stop()
        self._thread.join(seconds)

    def ask(
        self,
        owner: QObject,
        method: str,
        params: BaseModel | None,
        on_result: Callable[[Result], None],
        on_error: OnError,
    ) -> int:
        """Call a method of the agent; return the ticket that its steps bear. Nothing is called once `owner` is gone."""
        ticket = next(self._tickets)

        def take(result: BaseModel) -> None:
            on_result(cast("Result", result))

        self._open[ticket] = (owner, take, on_error)
        self._link.ask(Intent(ticket, method, params))
        return ticket

    def sign_out(self, owner: QObject) -> None:
        """End the session: at once here, and at the agent."""
        self.ask(owner, "sign_out", NoParams(), lambda _: None, lambda _: None)
        self._take_session(WhoAmI(session=None))

    def _live(self) -> None:
        asyncio.run(self._link.run())

    def _empty_mailbox(self) -> None:
        for post in self._mailbox.take():
            match post:
                case LinkState():
                    self._take_link(post)
                case Answer():
                    self._take_answer(post)
                case Told():
                    self._take_event(post)

    def _take_link(self, link: LinkState) -> None:
        self.link = link
        if link.phase is not LinkPhase.CONNECTED and self.session is not None:
            self._take_session(WhoAmI(session=None, reason="agent_gone"))
        self.link_changed.emit(link)

    def _take_answer(self, answer: Answer) -> None:
        owner, on_result, on_error = self._open.pop(answer.ticket)
        if not isValid(owner):
            return
        if isinstance(answer.outcome, ErrorBody):
            on_error(answer.outcome)
            return
        if isinstance(answer.outcome, Session):
            self._take_session(WhoAmI(session=answer.outcome))
        elif isinstance(answer.outcome, UpdateStatus):
            self._take_update(answer.outcome)
        on_result(answer.outcome)

    def _take_event(self, told: Told) -> None:
        match told.data:
            case Status() as status:
                self.status = status
                self.status_changed.emit(status)
            case Backlog() as backlog if self.status is not None:
                self.status = self.status.model_copy(update={"backlog": backlog})
                self.status_changed.emit(self.status)
            case Latest() as latest:
                self.latest.update(latest.values)
                self.readings_came.emit(latest)
            case Changed() as changed:
                self.lists_changed.emit(frozenset(changed.entities))
            case Notice() as notice:
                self.notice_came.emit(notice)
            case LogEvent() as records:
                self.log_came.emit(records)
            case StepEvent() as step:
                self.step_came.emit(step)
            case WhoAmI() as who:
                self._take_session(who)
            case UpdateStatus() as update:
                self._take_update(update)

    def _take_update(self, update: UpdateStatus) -> None:
        self.update = update
        self.update_changed.emit(update)

    def _take_session(self, who: WhoAmI) -> None:
        self.session = who.session
        if who.session is None:
            self.latest.clear()
        self.session_changed.emit(who)
