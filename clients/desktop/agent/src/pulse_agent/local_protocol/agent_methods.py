"""How the agent is doing, who is signed in, readings, what was set aside or lost, the log, starting anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulse_agent.local_access.session import LocalSession, LoginRefusedError
from pulse_agent.local_protocol.calls import Call, Handler
from pulse_agent.local_protocol.desk import Desk
from pulse_agent.local_protocol.log_memory import KeptRecord
from pulse_agent.local_protocol.status_reader import StatusReader
from pulse_agent.outbox.inspection import (
    buffered_samples,
    clear_quarantine,
    latest_values,
    loss_page,
    quarantine_page,
)
from pulse_contracts import local_records as records
from pulse_contracts.local_people import Session, SignInParams, WhoAmI
from pulse_contracts.local_status import Done, Latest, LatestValue, NoParams, Recent, RecentParams, Status

MAX_SAMPLES: Final = 2_000
PAGE_CHARS: Final = 2 * 1024 * 1024
_LEVELS: Final = {level.value: rank for rank, level in enumerate(records.LogLevel)}


def agent_methods(desk: Desk, reader: StatusReader) -> Mapping[str, Handler]:
    """Return the methods on the agent itself."""
    methods = _Methods(desk, reader)
    return {
        "status": methods.status,
        "sign_in": methods.sign_in,
        "sign_out": methods.sign_out,
        "whoami": methods.whoami,
        "latest": methods.latest,
        "recent": methods.recent,
        "quarantine.list": methods.quarantine,
        "quarantine.clear": methods.clear_quarantine,
        "losses.list": methods.losses,
        "logs.tail": methods.tail,
        "agent.restart": methods.restart,
    }


def session_view(desk: Desk, session: LocalSession, signed_in_ms: int) -> Session:
    """Return a session as windows show it."""
    return Session(
        user_id=session.user_id,
        username=session.username,
        roles=list(session.roles),
        permissions=sorted(session.permissions),
        lease_until_ms=int(session.lease_until.timestamp() * 1000),
        is_online=desk.parts.agent.status().is_reached,
        signed_in_ms=signed_in_ms,
    )


def log_record(kept: KeptRecord) -> records.LogRecord:
    """Return a record as windows show it."""
    return records.LogRecord(
        number=kept.number,
        at_ms=kept.at_ms,
        level=kept.level,
        event=kept.event,
        part=kept.part,
        fields=json.loads(kept.fields),
    )


@dataclass(frozen=True, slots=True)
class _Methods:
    desk: Desk
    reader: StatusReader

    async def status(self, _call: Call, _: NoParams) -> Status:
        return await self.reader.read()

    async def sign_in(self, call: Call, params: SignInParams) -> Session:
        session = await self.desk.ask(lambda place: place.login.sign_in(params.username, params.password))
        call.window.session = session
        call.window.signed_in_ms = self.desk.now_ms()
        call.window.follows_log_after = None
        return session_view(self.desk, session, call.window.signed_in_ms)

    async def sign_out(self, call: Call, _: NoParams) -> Done:
        call.window.session = None
        call.window.follows_log_after = None
        return Done()

    async def whoami(self, call: Call, _: NoParams) -> WhoAmI:
        held = call.window.session
        if held is None:
            return WhoAmI()
        try:
            session = await self.desk.current(held)
        except LoginRefusedError as refused:
            call.window.end_session(refused)
            return WhoAmI(reason=refused.reason, message=str(refused))
        return WhoAmI(session=session_view(self.desk, session, call.window.signed_in_ms))

    async def latest(self, _call: Call, _: NoParams) -> Latest:
        found = await asyncio.to_thread(latest_values, self.desk.parts.agent.outbox.path)
        return Latest(values={key: LatestValue(value=value, at_ms=at // 1000) for key, (value, at) in found.items()})

    async def recent(self, _call: Call, params: RecentParams) -> Recent:
        parts = self.desk.parts
        since_us = (self.desk.now_ms() - params.seconds * 1000) * 1000
        memory = parts.observations.samples
        before = memory.first_sequence
        kept = [(reading.recorded_at_us, reading.metrics_json) for reading in memory.since(since_us)]
        # What was taken before this process began is still in the outbox, as far as it could not be delivered.
        older = await asyncio.to_thread(buffered_samples, parts.agent.outbox.path, since_us, before, MAX_SAMPLES)
        return Recent(metric=params.metric, samples=_thinned(_samples_of(params.metric, [*older, *kept])))

    async def quarantine(self, _call: Call, params: records.AfterParams) -> records.Quarantine:
        path = self.desk.parts.agent.outbox.path
        page = await asyncio.to_thread(quarantine_page, path, params.after, params.limit, PAGE_CHARS)
        return records.Quarantine(total=page.total, rows=[_quarantined(row) for row in page.rows], next=page.next)

    async def clear_quarantine(self, _call: Call, params: records.UpToParams) -> records.Cleared:
        path = self.desk.parts.agent.outbox.path
        return records.Cleared(count=await asyncio.to_thread(clear_quarantine, path, params.up_to))

    async def losses(self, _call: Call, params: records.AfterParams) -> records.Losses:
        page = await asyncio.to_thread(loss_page, self.desk.parts.agent.outbox.path, params.after, params.limit)
        return records.Losses(total=page.total, rows=[_loss(row) for row in page.rows], next=page.next)

    async def tail(self, call: Call, params: records.TailParams) -> records.LogRecords:
        kept = self.desk.parts.observations.log.after(0)
        if params.follow is not None:
            call.window.follows_log_after = (kept[-1].number if kept else 0) if params.follow else None
        floor = _LEVELS[params.level]
        wanted = [record for record in kept if _LEVELS.get(record.level, 0) >= floor][-params.limit :]
        return records.LogRecords(records=[log_record(record) for record in wanted])

    async def restart(self, _call: Call, _: NoParams) -> Done:
        await self.desk.parts.restart()
        return Done()


def _samples_of(metric: str, readings: Iterable[tuple[int, str]]) -> list[tuple[int, Any]]:
    found = []
    mark = json.dumps(metric, ensure_ascii=False)
    for at, text in readings:
        if mark in text:  # most readings of other sources need no parsing
            metrics = json.loads(text)
            if metric in metrics:
                found.append((at // 1000, metrics[metric]))
    return sorted(found, key=lambda sample: sample[0])


def _thinned(samples: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    step = -(-len(samples) // MAX_SAMPLES) or 1
    return samples[::-1][::step][::-1]


def _quarantined(row: Mapping[str, Any]) -> records.QuarantinedRow:
    recorded = row["recorded_at_us"]
    return records.QuarantinedRow(
        number=row["id"],
        sequence=row["sequence"],
        epoch=row["epoch"],
        recorded_ms=None if recorded is None else recorded // 1000,
        channel=row["channel"],
        metrics=None if row["metrics"] is None else str(row["metrics"]),
        code=row["code"],
        detail=row["detail"],
        moved_ms=row["moved_at_us"] // 1000,
    )


def _loss(row: Mapping[str, Any]) -> records.LossRow:
    declared = row["declared_at"]
    return records.LossRow(
        number=row["low"],
        low=row["low"],
        high=row["high"],
        count=row["high"] - row["low"] + 1,
        reason=row["reason"],
        at_ms=row["recorded_at"] // 1000,
        declared_ms=None if declared is None else declared // 1000,
    )
