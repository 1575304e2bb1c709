"""Alarms as rules find them, written in bulk: the rows, their steps, the news, and who has to be notified.

Guaranteed: what is found again is not written again (an alarm and its steps have the ids of what was found), a rule has
one alarm at most on a device that is not cleared, and all that belongs to a step commits with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_alerts.domain.alarm import Alarm, Found, Step, announced
from pulse_alerts.storage.rows import alarm_of, step_row
from pulse_alerts.storage.tables import alarm_steps, alarms, notifications_due
from pulse_chassis import outbox
from pulse_contracts.streams import ALERTS_STREAM

_RAISE: Final = sa.text("""
insert into alerts.alarm (id, rule_id, rule_name, rule_kind, device_id, metric, severity, state, message, value,
    raised_at, noticed_at, is_late, updated_at, shelved_until, shelved_by, shelved_by_name)
select f.id, r.id, r.name, r.condition ->> 'kind', f.device_id, f.metric, r.severity, 'active', f.message,
    nullif(f.value, 'null'::jsonb), f.raised_at, :now, f.is_late, :now, s.shelved_until, s.shelved_by, s.shelved_by_name
from unnest(:ids, :rules, :evaluations, :devices, :metrics, :messages, :values, :raised, :late)
    as f (id, rule_id, evaluation, device_id, metric, message, value, raised_at, is_late)
join alerts.rule r on r.id = f.rule_id and r.evaluation = f.evaluation and r.is_enabled
left join lateral (
    select a.shelved_until, a.shelved_by, a.shelved_by_name from alerts.alarm a
    where a.rule_id = f.rule_id and a.device_id = f.device_id and a.shelved_until > :now and not f.is_late
    order by a.raised_at desc limit 1
) s on true
order by f.raised_at, f.device_id
for share of r
on conflict do nothing
returning alerts.alarm.*
""").bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("rules", type_=ARRAY(sa.Uuid)),
    sa.bindparam("evaluations", type_=ARRAY(sa.Integer)),
    sa.bindparam("devices", type_=ARRAY(sa.Text)),
    sa.bindparam("metrics", type_=ARRAY(sa.Text)),
    sa.bindparam("messages", type_=ARRAY(sa.Text)),
    sa.bindparam("values", type_=ARRAY(JSONB)),
    sa.bindparam("raised", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("late", type_=ARRAY(sa.Boolean)),
    sa.bindparam("now", type_=sa.DateTime(timezone=True)),
)
_CLEAR: Final = sa.text("""
update alerts.alarm a
set state = 'cleared', cleared_at = f.at, cleared_value = nullif(f.value, 'null'::jsonb), clear_reason = f.reason,
    updated_at = :now
from unnest(:ids, :cleared, :values, :reasons) as f (id, at, value, reason)
where a.id = f.id and a.state <> 'cleared'
returning a.*
""").bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("cleared", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("values", type_=ARRAY(JSONB)),
    sa.bindparam("reasons", type_=ARRAY(sa.Text)),
    sa.bindparam("now", type_=sa.DateTime(timezone=True)),
)


async def write_found(session: AsyncSession, found: Sequence[Found], now: datetime) -> int:
    """Write what rules found, in its order for each rule and device; return how many steps are new."""
    new = 0
    for wave in _waves(found):
        # One of each rule and device: clearing first makes room for nothing but what a later wave raises.
        for is_raised, statement in ((False, _CLEAR), (True, _RAISE)):
            chosen = {one.finding.alarm_id: one for one in wave if one.finding.is_raised is is_raised}
            if chosen:
                arguments = _raising(chosen.values()) if is_raised else _clearing(chosen.values())
                rows = await session.execute(statement, {**arguments, "now": now})
                changed = [alarm_of(row) for row in rows]
                await write_steps(session, [(alarm, _step(alarm, chosen[alarm.id], now)) for alarm in changed], now)
                new += len(changed)
    return new


async def write_steps(
    session: AsyncSession, changed: Sequence[tuple[Alarm, Step]], now: datetime, *, is_notified: bool = True
) -> None:
    """Write steps of alarms that are written, tell of them, and have them notified, unless late or shelved."""
    if not changed:
        return
    await session.execute(insert(alarm_steps).on_conflict_do_nothing(), [step_row(step) for _, step in changed])
    due = [
        {"step_id": step.id, "alarm_id": alarm.id, "noted_at": step.noted_at}
        for alarm, step in changed
        if is_notified and step.kind in {"raised", "cleared"} and not alarm.is_late and not alarm.is_shelved(now)
    ]
    if due:
        await session.execute(insert(notifications_due).on_conflict_do_nothing(), due)
    await outbox.append_many(session, ALERTS_STREAM, [announced(alarm, step) for alarm, step in changed])


async def locked(session: AsyncSession, condition: sa.ColumnElement[bool]) -> list[Alarm]:
    """Return alarms, held until the transaction ends, in one order for all who do so."""
    query = sa.select(alarms).where(condition).order_by(alarms.c.id).with_for_update()
    return [alarm_of(row) for row in await session.execute(query)]


def _waves(found: Sequence[Found]) -> list[list[Found]]:
    waves: list[list[Found]] = []
    depth: defaultdict[tuple[object, str], int] = defaultdict(int)
    for one in found:
        key = (one.finding.rule.id, one.finding.device_id)
        if depth[key] == len(waves):
            waves.append([])
        waves[depth[key]].append(one)
        depth[key] += 1
    return waves


def _raising(chosen: Iterable[Found]) -> dict[str, Any]:
    ones = list(chosen)
    return {
        "ids": [one.finding.alarm_id for one in ones],
        "rules": [one.finding.rule.id for one in ones],
        "evaluations": [one.finding.rule.evaluation for one in ones],
        "devices": [one.finding.device_id for one in ones],
        "metrics": [one.finding.metric for one in ones],
        "messages": [one.message for one in ones],
        "values": [one.finding.value for one in ones],
        "raised": [one.at for one in ones],
        "late": [one.is_late for one in ones],
    }


def _clearing(chosen: Iterable[Found]) -> dict[str, Any]:
    ones = list(chosen)
    return {
        "ids": [one.finding.alarm_id for one in ones],
        "cleared": [one.at for one in ones],
        "values": [one.finding.value for one in ones],
        "reasons": [one.finding.reason for one in ones],
    }


def _step(alarm: Alarm, one: Found, now: datetime) -> Step:
    return Step(
        id=one.step_id,
        alarm_id=alarm.id,
        kind="raised" if one.finding.is_raised else "cleared",
        at=one.at,
        noted_at=now,
        state=alarm.state,
        value=one.finding.value,
        reason=one.finding.reason,
        shelved_until=alarm.shelved_until,
    )
