"""What the notifier does in PostgreSQL: one transaction (`NotifierUnit`), and `NotifierWork`, which begins transactions.

Channels are locked before what belongs to them, in the order of their ids, and skipped while somebody else holds them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_alerts.domain.channel import Channel, ChannelKind
from pulse_alerts.domain.notice import SEVERITY_RANK, Digest, Notice
from pulse_alerts.domain.release import Waiting, Which
from pulse_alerts.domain.retrying import message_id
from pulse_alerts.storage.channel_rows import SecretBox, channel_of
from pulse_alerts.storage.notification_tables import channels, deliveries
from pulse_alerts.use_cases.notification_ports import Claimed, Content, Load, NotifierUnit, Planned, Settled
from pulse_chassis.database import Database
from pulse_contracts.alerts import MAX_ACTIVE, ActiveAlarm, DeviceAlerts

_NOTICE_COLUMNS: Final = """
s.id as step_id, s.kind, s.at, s.reason, coalesce(s.value, a.value) as value, a.id as alarm_id, a.rule_id, a.rule_name,
a.device_id, a.metric, a.severity, a.message, a.raised_at, a.shelved_until, a.is_late, coalesce(r.groups, '{}') as groups
"""
_TAKE_DUE: Final = sa.text(f"""
with taken as (
    delete from alerts.notification_due where step_id in (
        select step_id from alerts.notification_due order by noted_at limit :most for update skip locked
    ) returning step_id
)
select {_NOTICE_COLUMNS}
from taken t
join alerts.alarm_step s on s.id = t.step_id
join alerts.alarm a on a.id = s.alarm_id
left join identity.device_registry r on r.device_id = a.device_id
order by s.seq
""")  # noqa: S608 -- our own columns
_ENABLED: Final = sa.select(channels).where(channels.c.is_enabled, channels.c.deleted_at.is_(None))
# Nothing new is made for an address while a message for it is open.
_LOADS: Final = sa.text("""
with waiting as (
    select d.channel_id, d.address, min(d.created_at) as since,
           min(d.created_at) filter (where d.is_critical) as critical_since
    from alerts.delivery d
    where d.state = 'waiting' and not exists (
        select from alerts.message m where m.channel_id = d.channel_id and m.address = d.address
            and m.state in ('queued', 'sending') and m.kind <> 'test'
    )
    group by d.channel_id, d.address order by min(d.created_at) limit :most
)
select w.address, w.since, w.critical_since, c.*
from waiting w join alerts.channel c on c.id = w.channel_id and c.is_enabled and c.deleted_at is null
order by c.id for no key update of c skip locked
""")
_STILL_FREE: Final = sa.text("""
select not exists (
    select from alerts.message m where m.channel_id = :channel and m.address = :address
        and m.state in ('queued', 'sending') and m.kind <> 'test'
)
""")
_MADE: Final = sa.text("""
select created_at from alerts.message where channel_id = :channel and kind = 'steps'
order by created_at desc limit :most
""")
_FIRST: Final = sa.text("""
select step_id from alerts.delivery
where channel_id = :channel and address = :address and state = 'waiting' and (is_critical or :all)
order by seq limit 1
""")
_FORM: Final = sa.text("""
insert into alerts.message (id, channel_id, address, kind, state, created_at, next_at, deadline_at)
values (:id, :channel, :address, 'steps', 'queued', :now, :now, :deadline)
""")
_GIVE_STEPS: Final = sa.text("""
with given as (
    update alerts.delivery set state = 'in_message', message_id = :id
    where channel_id = :channel and address = :address and state = 'waiting' and (is_critical or :all)
    returning 1
)
update alerts.message set steps = (select count(*) from given) where id = :id
""")
_KNOW_TOPIC: Final = sa.text("""
insert into alerts.device_topic as held (device_id, is_stale) values (:device, false)
on conflict (device_id) do update set is_stale = false where held.is_stale
""")
_RENEWALS: Final = sa.text("""
with speaker as (
    select id from alerts.channel where kind = 'mqtt' order by deleted_at desc nulls first limit 1
), stale as (
    select t.device_id, k.id as channel_id from alerts.device_topic t cross join speaker k
    where t.is_stale and not exists (
        select from alerts.message m where m.channel_id = k.id and m.address = t.device_id
            and m.state in ('queued', 'sending') and m.kind <> 'test'
    )
    order by t.device_id limit :most for update of t skip locked
), fresh as (
    update alerts.device_topic set is_stale = false where device_id in (select device_id from stale)
)
insert into alerts.message (id, channel_id, address, kind, state, created_at, next_at, deadline_at)
select gen_random_uuid(), channel_id, device_id, 'renewal', 'queued', :now, :now, :deadline from stale
on conflict do nothing
""")
_TELL_SCREENS: Final = (
    sa.text("""
update alerts.device_topic set is_stale = true
where not is_stale and device_id in (select device_id from alerts.alarm where state <> 'cleared' and not is_late)
"""),
    sa.text("""
update alerts.message m set next_at = :now
from alerts.channel c where c.id = m.channel_id and c.kind = 'mqtt' and m.state = 'queued' and m.next_at > :now
"""),
)
_RELEASE_LOST: Final = sa.text("""
update alerts.message
set state = case when deadline_at <= :now then 'unknown' else 'queued' end, next_at = :now, claim = null,
    claimed_until = null, doubtful_attempts = doubtful_attempts + 1, reason = 'in_doubt',
    detail = 'nobody knows whether the last attempt came through',
    settled_at = case when deadline_at <= :now then cast(:now as timestamptz) end
where id in (
    select id from alerts.message where state = 'sending' and claimed_until < :now for update skip locked
)
""")
_CLAIM: Final = sa.text("""
with due as (
    select id from alerts.message where state = 'queued' and next_at <= :now
    order by next_at limit :most for update skip locked
), claimed as (
    update alerts.message set state = 'sending', attempts = attempts + 1, claim = :claim, claimed_until = :until
    where id in (select id from due) returning *
)
select m.id as message_id, m.kind as message_kind, m.address, m.attempts, m.created_at as made_at, m.deadline_at,
       m.asked_by_name, c.*
from claimed m join alerts.channel c on c.id = m.channel_id order by m.seq
""")
_SETTLE: Final = sa.text("""
update alerts.message
set state = :state, next_at = :next_at, reason = :reason, detail = :detail, claim = null, claimed_until = null,
    doubtful_attempts = doubtful_attempts + :doubtful,
    settled_at = case when :state <> 'queued' then cast(:now as timestamptz) end
where id = :id and claim = :claim and state = 'sending'
""")
_COUNTED: Final = sa.text("""
select count(*) filter (where s.kind = 'raised') as raised, count(*) filter (where s.kind = 'cleared') as cleared,
       count(distinct a.device_id) as devices,
       array_agg(distinct a.severity) filter (where s.kind = 'raised') as raised_severities,
       array_agg(distinct a.severity) as severities
from alerts.delivery d join alerts.alarm_step s on s.id = d.step_id join alerts.alarm a on a.id = s.alarm_id
where d.message_id = :id
""")
_SPELT: Final = sa.text(f"""
select {_NOTICE_COLUMNS}
from alerts.delivery d
join alerts.alarm_step s on s.id = d.step_id
join alerts.alarm a on a.id = s.alarm_id
left join identity.device_registry r on r.device_id = a.device_id
where d.message_id = :id
order by array_position(array['critical', 'warning', 'info'], a.severity), s.seq limit :most
""")  # noqa: S608 -- our own columns
_ACTIVE: Final = sa.text("""
select a.id, a.rule_name, a.metric, a.severity, a.state, a.message, a.value, a.raised_at, count(*) over () as number
from alerts.alarm a
left join identity.device_registry r on r.device_id = a.device_id
join alerts.channel c on c.id = :channel
where a.device_id = :device and a.state <> 'cleared' and not a.is_late
  and (a.shelved_until is null or a.shelved_until <= :now)
  and (c.severities = '{}' or a.severity = any(c.severities))
  and (c.rule_ids = '{}' or a.rule_id = any(c.rule_ids))
  and (c.groups = '{}' or c.groups && coalesce(r.groups, '{}'))
order by array_position(array['critical', 'warning', 'info'], a.severity), a.seq limit :most
""")
_FORGET: Final = (
    sa.text("""
delete from alerts.message where id in (select id from alerts.message where settled_at < :before limit :most)
"""),
    sa.text("""
delete from alerts.delivery where seq in (
    select seq from alerts.delivery where state = 'suppressed' and created_at < :before order by seq limit :most
)
"""),
)


class PostgresNotifierUnit:
    """A `NotifierUnit` on one session."""

    def __init__(self, session: AsyncSession, box: SecretBox) -> None:
        self._session = session
        self._box = box

    async def take_due(self, limit: int) -> list[Notice]:
        """Take steps that somebody may have to hear of."""
        return [_notice(row) for row in await self._session.execute(_TAKE_DUE, {"most": limit})]

    async def enabled_channels(self) -> list[Channel]:
        """Return the channels that are enabled."""
        return [channel_of(row) for row in await self._session.execute(_ENABLED)]

    async def plan(self, planned: Sequence[Planned], now: datetime) -> None:
        """Write down what is to be told to whom."""
        if not planned:
            return
        rows = [
            {
                "channel_id": one.channel_id,
                "step_id": one.step_id,
                "alarm_id": one.alarm_id,
                "address": one.address,
                "is_critical": one.is_critical,
                "state": "waiting" if one.suppressed is None else "suppressed",
                "reason": one.suppressed,
                "created_at": now,
            }
            for one in planned
        ]
        await self._session.execute(insert(deliveries).on_conflict_do_nothing(), rows)

    async def loads(self, limit: int) -> list[Load]:
        """Return what waits, with its channels held."""
        found = (await self._session.execute(_LOADS, {"most": limit})).all()
        loads = []
        made: dict[UUID, tuple[datetime, ...]] = {}
        for row in found:
            # Before the channel was held somebody may have made a message for it.
            named = {"channel": row.id, "address": row.address}
            if not (await self._session.execute(_STILL_FREE, named)).scalar_one():
                continue
            if row.id not in made:
                made[row.id] = await self._made(row.id, row.limit_messages)
            loads.append(Load(channel_of(row), row.address, Waiting(row.since, row.critical_since), made[row.id]))
        return loads

    async def _made(self, channel_id: UUID, limit: int | None) -> tuple[datetime, ...]:
        if limit is None:
            return ()
        rows = await self._session.execute(_MADE, {"channel": channel_id, "most": limit})
        return tuple(rows.scalars())

    async def form(self, load: Load, which: Which, now: datetime, deadline: datetime) -> UUID:
        """Make one message of what waits."""
        chosen = {"channel": load.channel.id, "address": load.address, "all": which is Which.ALL}
        first = (await self._session.execute(_FIRST, chosen)).scalar_one()
        made = message_id(load.channel.id, first)
        row = {"id": made, "channel": load.channel.id, "address": load.address, "now": now, "deadline": deadline}
        await self._session.execute(_FORM, row)
        await self._session.execute(_GIVE_STEPS, {"id": made, **chosen})
        if load.channel.kind is ChannelKind.MQTT:
            await self._session.execute(_KNOW_TOPIC, {"device": load.address})
        return made

    async def renew_stale_topics(self, now: datetime, deadline: datetime, limit: int) -> int:
        """Make a message for each device whose retained one is not true any more."""
        asked = {"now": now, "deadline": deadline, "most": limit}
        return _count(await self._session.execute(_RENEWALS, asked))

    async def tell_screens_again(self, now: datetime) -> None:
        """Have every device with an open alarm told, and what waits for the broker tried now."""
        stale, hurried = _TELL_SCREENS
        await self._session.execute(stale)
        await self._session.execute(hurried, {"now": now})

    async def release_lost(self, now: datetime) -> int:
        """Queue what somebody claimed and never settled."""
        return _count(await self._session.execute(_RELEASE_LOST, {"now": now}))

    async def claim(self, now: datetime, until: datetime, limit: int) -> list[Claimed]:
        """Claim messages that are due."""
        claim = uuid4()
        rows = await self._session.execute(_CLAIM, {"now": now, "until": until, "most": limit, "claim": claim})
        return [
            Claimed(
                id=row.message_id,
                kind=row.message_kind,
                channel=channel_of(row),
                is_wanted=row.is_enabled and row.deleted_at is None,
                address=row.address,
                attempts=row.attempts,
                created_at=row.made_at,
                deadline_at=row.deadline_at,
                asked_by_name=row.asked_by_name,
                claim=claim,
            )
            for row in rows
        ]

    async def content(self, claimed: Claimed, now: datetime, most: int) -> Content:
        """Return what a claimed message is to say."""
        digest = await self._digest(claimed.id, most)
        secret = device = None
        if claimed.channel.kind is ChannelKind.WEBHOOK:
            held = sa.select(channels.c.sealed).where(channels.c.id == claimed.channel.id)
            secret = self._box.open((await self._session.execute(held)).scalar_one())
        if claimed.channel.kind is ChannelKind.MQTT:
            device = await self._device(claimed, now, digest)
        return Content(digest, device, secret)

    async def settle(self, claimed: Claimed, settled: Settled, now: datetime) -> bool:
        """Write down what became of it."""
        values = {
            "id": claimed.id,
            "claim": claimed.claim,
            "state": settled.state,
            "next_at": settled.next_at,
            "reason": settled.reason,
            "detail": settled.detail,
            "doubtful": int(settled.is_doubtful),
            "now": now,
        }
        return _count(await self._session.execute(_SETTLE, values)) == 1

    async def forget(self, before: datetime, limit: int) -> int:
        """Delete what was settled or suppressed before."""
        asked = {"before": before, "most": limit}
        return sum([_count(await self._session.execute(statement, asked)) for statement in _FORGET])

    async def _digest(self, message: UUID, most: int) -> Digest:
        counted = (await self._session.execute(_COUNTED, {"id": message})).one()
        spelt = await self._session.execute(_SPELT, {"id": message, "most": most})
        severities = counted.raised_severities or counted.severities or ["info"]
        worst = min(severities, key=lambda severity: SEVERITY_RANK[severity])
        notices = tuple(_notice(row) for row in spelt)
        return Digest(notices, counted.raised, counted.cleared, counted.devices, worst)

    async def _device(self, claimed: Claimed, now: datetime, digest: Digest) -> DeviceAlerts:
        # Read anew for each attempt: what is retained is the truth of the moment at which it was taken.
        asked = {"channel": claimed.channel.id, "device": claimed.address, "now": now, "most": MAX_ACTIVE}
        rows = (await self._session.execute(_ACTIVE, asked)).all()
        return DeviceAlerts(
            device_id=claimed.address,
            at=int(now.timestamp() * 1000),
            active=[_active(row) for row in rows],
            more=rows[0].number - len(rows) if rows else 0,
            changed=[notice.told() for notice in digest.notices],
        )


class PostgresNotifierWork:
    """A `NotifierWork`."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    @asynccontextmanager
    async def change(self) -> AsyncIterator[NotifierUnit]:
        """Give a transaction; it commits at the end of the block."""
        async with self._database.transaction() as session:
            yield PostgresNotifierUnit(session, self._box)


def _notice(row: sa.Row[Any]) -> Notice:
    return Notice(
        step_id=row.step_id,
        kind=row.kind,
        at=row.at,
        alarm_id=row.alarm_id,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        device_id=row.device_id,
        metric=row.metric,
        severity=row.severity,
        message=row.message,
        value=row.value,
        raised_at=row.raised_at,
        reason=row.reason,
        shelved_until=row.shelved_until,
        is_late=row.is_late,
        groups=tuple(row.groups),
    )


def _active(row: sa.Row[Any]) -> ActiveAlarm:
    return ActiveAlarm(
        alarm_id=row.id,
        rule_name=row.rule_name,
        metric=row.metric,
        severity=row.severity,
        state=row.state,
        message=row.message,
        value=row.value,
        raised_at=int(row.raised_at.timestamp() * 1000),
    )


def _count(result: Any) -> int:
    return int(result.rowcount)
