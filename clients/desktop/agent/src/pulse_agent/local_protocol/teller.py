"""Tells windows what happens: twice a second at most, and only while there are any.

Guarantees: nothing is sent that says what the last one said; the replica is looked into only when its file changed; a
session whose rights are gone ends, and its window is told, within seconds. A replica that cannot be read now is
looked at again, and holds nothing else up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pulse_agent.domain.quota import Fullness
from pulse_agent.domain.reading import StoredReading
from pulse_agent.local_access.session import LocalSession, LoginRefusedError
from pulse_agent.local_protocol.agent_methods import log_record, session_view
from pulse_agent.local_protocol.calls import CallRefusedError
from pulse_agent.local_protocol.desk import Desk, Workplace
from pulse_agent.local_protocol.status_reader import StatusReader
from pulse_agent.local_protocol.sync_methods import may_see
from pulse_agent.local_protocol.update_methods import update_status
from pulse_agent.local_protocol.window import Window
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_agent.replica.journal import KeptConflict
from pulse_agent.replica.live import ReplicaAwayError
from pulse_agent.replica.status import ReplicaStatus
from pulse_chassis.logging import get_logger
from pulse_contracts.local_people import WhoAmI
from pulse_contracts.local_protocol import Changed, Entity, EventName, LogEvent, Notice, NoticeKind
from pulse_contracts.local_records import LogLevel
from pulse_contracts.local_status import Latest, LatestValue, Status

TICK_SECONDS: Final = 0.5
SESSION_SECONDS: Final = 30.0
"""How often sessions are looked at even if nothing changed: a lease runs out by itself."""
_FINGERPRINTS: Final = {
    Entity.USERS: "SELECT count(*), sum(version), (SELECT max(updated_at) || count(*) FROM sync_outbox WHERE entity = "
    "'users') FROM users",
    Entity.ROLES: "SELECT count(*), sum(version), (SELECT max(updated_at) || count(*) FROM sync_outbox WHERE entity = "
    "'roles') FROM roles",
    Entity.CONFIG: "SELECT count(*), sum(version), (SELECT max(updated_at) || count(*) FROM sync_outbox WHERE entity = "
    "'config') FROM system_config",
    Entity.PENDING: "SELECT count(*), max(updated_at), max(op_no) FROM sync_outbox",
    Entity.CONFLICTS: "SELECT count(*), max(number), count(resolution) FROM sync_conflict",
    Entity.NOTICES: "SELECT count(*), max(number) FROM sync_conflict WHERE is_read = 0",
}
_VOLATILE: Final = {"now_ms", "backlog", "server_offset_ms"}
"""What changes by itself and is no news of `state`."""

_log = get_logger("windows")


@dataclass(frozen=True, slots=True)
class _Look:
    """What the replica held at one look: sync's status, a fingerprint of each list, and notices nobody was told of."""

    mark: tuple[int, int]
    status: ReplicaStatus
    prints: dict[str, Any]
    notices: list[KeptConflict]


class AgentTeller:
    """Tells the windows of a running agent."""

    def __init__(self, desk: Desk, reader: StatusReader) -> None:
        self._desk = desk
        self._reader = reader
        self._woken = asyncio.Event()
        self._state: dict[str, Any] = {}
        self._backlog: dict[str, Any] = {}
        self._look: _Look | None = None
        self._update: dict[str, Any] = {}
        self._counts: tuple[int, int, Fullness] | None = None
        self._sessions_due = 0.0
        self._is_settings_changed = False
        desk.parts.agent.on_state(lambda _: self._woken.set())
        desk.parts.live.on_applied(self._on_applied)
        if desk.parts.updater is not None:
            desk.parts.updater.on_change(self._woken.set)

    def entered(self, window: Window) -> None:
        """Tell a new window how the agent is doing."""
        window.post(EventName.STATE, self._reader.status())
        if self._desk.parts.updater is not None:
            window.post(EventName.UPDATE, update_status(self._desk.parts.updater))
        self._woken.set()

    async def run(self, windows: set[Window]) -> None:
        """Tell `windows` what happens until cancelled."""
        self._desk.parts.observations.samples.news()  # what came before is in `latest`
        while True:
            try:
                await self._tick(windows)
            except Exception:  # noqa: BLE001 # the supervisor of events: a mistake here must not end delivery
                _log.exception("windows_not_told")
            self._woken.clear()
            sleeping = asyncio.ensure_future(self._desk.parts.clock.sleep(TICK_SECONDS))
            sleeping.add_done_callback(self._wake_up)
            try:
                await self._woken.wait()
            finally:
                sleeping.cancel()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _wake_up(self, done: asyncio.Future[Any]) -> None:
        if not done.cancelled():
            self._woken.set()

    def _on_applied(self) -> None:
        self._is_settings_changed = True

    async def _tick(self, windows: set[Window]) -> None:
        changed = await self._look_at_replica(windows)
        changed |= self._look_at_counts(windows)
        if self._is_settings_changed or Entity.CONFIG in changed:
            self._is_settings_changed = False
            changed |= {Entity.SETTINGS, Entity.CONFIG}
        with suppress(OutboxUnavailableError):  # the backlog then says the oldest that was known
            await self._reader.look_for_oldest()
        self._tell_state(windows)
        self._tell_update(windows)
        self._tell_readings(windows)
        self._tell_log(windows)
        if changed:
            event = Changed(entities=sorted(changed))
            for window in windows:
                window.post(EventName.CHANGED, event)
        await self._look_at_sessions(windows, is_due=bool(changed & {Entity.USERS, Entity.ROLES}))

    def _tell_state(self, windows: set[Window]) -> None:
        status = self._reader.status()
        state = status.model_dump(mode="json", exclude=_VOLATILE)
        backlog = status.backlog.model_dump(mode="json")
        if state != self._state:
            self._state = state
            self._tell(windows, EventName.STATE, status)
        elif backlog != self._backlog:
            self._tell(windows, EventName.PROGRESS, status.backlog)
        self._backlog = backlog

    def _tell_update(self, windows: set[Window]) -> None:
        if self._desk.parts.updater is None:
            return
        status = update_status(self._desk.parts.updater)
        update = status.model_dump(mode="json")
        if update != self._update:
            self._update = update
            self._tell(windows, EventName.UPDATE, status)

    @staticmethod
    def _tell(windows: Iterable[Window], name: EventName, data: Status | Any) -> None:
        for window in windows:
            window.post(name, data)

    def _tell_readings(self, windows: set[Window]) -> None:
        news = self._desk.parts.observations.samples.news()
        if news and any(window.session is not None for window in windows):
            self._tell(windows, EventName.READING, _latest(news))

    def _tell_log(self, windows: set[Window]) -> None:
        for window in windows:
            told = window.follows_log_after
            if told is None:
                continue
            for kept in self._desk.parts.observations.log.after(told):
                window.post(EventName.LOG, LogEvent(records=[log_record(kept)]))
                window.follows_log_after = kept.number

    # -- the outbox -------------------------------------------------------------------------------------------------

    def _look_at_counts(self, windows: set[Window]) -> set[str]:
        stats = self._desk.parts.agent.outbox.stats
        before, now = self._counts, (stats.quarantined, stats.losses, stats.fullness)
        self._counts = now
        if before is None or before == now:
            return set()
        changed: set[str] = set()
        if now[0] != before[0]:
            changed.add(Entity.QUARANTINE)
            if now[0] > before[0]:
                count = now[0] - before[0]
                sentence = f"The server refused {count} readings for good: they are kept in the quarantine."
                self._notify(windows, NoticeKind.QUARANTINED, LogLevel.WARNING, sentence, {"count": count})
        if now[1] != before[1]:
            changed.add(Entity.LOSSES)
        if now[2] is not before[2]:
            level = LogLevel.INFO if now[2] is Fullness.NORMAL else LogLevel.WARNING
            sentence = f"The room for undelivered readings: {now[2].value}."
            self._notify(windows, NoticeKind.OUTBOX_FULLNESS, level, sentence, {"fullness": now[2].value})
        return changed

    def _notify(
        self, windows: Iterable[Window], kind: NoticeKind, level: LogLevel, sentence: str, facts: dict[str, Any]
    ) -> None:
        notice = Notice(kind=kind, level=level, sentence=sentence, at_ms=self._desk.now_ms(), facts=facts)
        self._tell(windows, EventName.NOTICE, notice)

    # -- the replica ------------------------------------------------------------------------------------------------

    async def _look_at_replica(self, windows: set[Window]) -> set[str]:
        """Return which lists say something else than at the last look."""
        if self._desk.parts.replica is None:
            return set()
        before = self._look
        try:
            look = await self._desk.ask(lambda place: _look_into(place, before))
        except ReplicaAwayError:
            return set()
        if look is None:
            return set()
        self._look = look
        self._reader.take_sync(look.status)
        if before is None:
            return set()
        known = max((one.number for one in before.notices), default=0)
        for one in look.notices:
            if one.number > known:
                facts = {"number": one.number, "entity": one.entity.value, "name": one.name, "outcome": one.outcome}
                allowed = [window for window in windows if window.session and may_see(window.session, one)]
                self._notify(allowed, NoticeKind.EDIT_UNDONE, LogLevel.WARNING, one.sentence, facts)
        return {name for name, value in look.prints.items() if before.prints[name] != value}

    # -- sessions ---------------------------------------------------------------------------------------------------

    async def _look_at_sessions(self, windows: set[Window], *, is_due: bool) -> None:
        now = self._desk.parts.clock.monotonic()
        if not is_due and now < self._sessions_due:
            return
        self._sessions_due = now + SESSION_SECONDS
        for window in list(windows):
            session = window.session
            if session is None:
                continue
            try:
                current = await self._desk.current(session)
            except LoginRefusedError as refused:
                if window.session is session:
                    window.end_session(refused)
            except (ReplicaAwayError, CallRefusedError):
                continue
            else:
                self._keep(window, session, current)

    def _keep(self, window: Window, before: LocalSession, current: LocalSession) -> None:
        if window.session is before and current != before:
            window.session = current
            view = session_view(self._desk, current, window.signed_in_ms)
            window.post(EventName.SESSION, WhoAmI(session=view))


def _look_into(place: Workplace, before: _Look | None) -> _Look | None:
    """Look into the replica if anybody wrote into it since."""
    connection = place.replica.database.connection
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    mark = (int(version), connection.total_changes)
    if before is not None and mark == before.mark:
        return None
    prints = {name.value: connection.execute(query).fetchone() for name, query in _FINGERPRINTS.items()}
    return _Look(mark, place.replica.status(), prints, place.replica.notices())


def _latest(news: list[StoredReading]) -> Latest:
    values: dict[str, LatestValue] = {}
    for reading in news:
        at_ms = reading.recorded_at_us // 1000
        values.update(
            {key: LatestValue(value=value, at_ms=at_ms) for key, value in json.loads(reading.metrics_json).items()}
        )
    return Latest(values=values)
