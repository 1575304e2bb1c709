"""Where evaluation begins from and commits to: shares of the devices, rules, state by device.

Each commit first renews the leases of its worker's shares, by the database's clock: where one is another's by now, none
of it is committed. So of two workers that both believe a device to be theirs, one writes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_alerts.domain.alarm import Found, moment, unix_ms
from pulse_alerts.domain.rule import Rule
from pulse_alerts.storage.alarm_writing import write_found
from pulse_alerts.storage.rows import rule_of
from pulse_alerts.storage.tables import rules
from pulse_alerts.use_cases.ports import Device, LostLeaseError, Mark, Progress, Share, Span
from pulse_chassis.database import Database

_HERE: Final = sa.text("""
insert into alerts.worker (id, seen_until) values (:worker, now() + :lease)
on conflict (id) do update set seen_until = excluded.seen_until
""")
_FAIR: Final = sa.text("""
select (select count(*) from alerts.ownership) as partitions,
       (select count(*) from alerts.worker where seen_until > now()) as workers,
       (select count(*) from alerts.ownership where owner is null or lease_until <= now()) as free
""")
_CLAIM: Final = sa.text("""
update alerts.ownership o
set owner = :worker, generation = o.generation + 1, lease_until = now() + :lease
from (
    select partition from alerts.ownership
    where owner is null or lease_until <= now() or owner = :worker
    order by owner = :worker desc nulls last, partition limit :most for update
) chosen
where o.partition = chosen.partition
returning o.partition, o.generation, o.stream_epoch, o.stream_position, o.received_through
""")
_GIVE_BACK: Final = sa.text("""
update alerts.ownership set owner = null, lease_until = null
where owner = :worker and not partition = any(cast(:partitions as integer[]))
""")
_RENEW: Final = sa.text("""
update alerts.ownership o set lease_until = now() + :lease
from unnest(cast(:partitions as integer[]), cast(:generations as bigint[])) as held (partition, generation)
where o.partition = held.partition and o.generation = held.generation and o.owner = :worker
""")
_ADVANCE: Final = sa.text("""
update alerts.ownership set stream_epoch = :epoch, stream_position = :position, received_through = :received
where partition = any(cast(:partitions as integer[]))
""")
_RELEASE: Final = sa.text("""
with gone as (delete from alerts.worker where id = :worker)
update alerts.ownership set owner = null, lease_until = null where owner = :worker
""")
_KEEP: Final = sa.text("""
insert into alerts.device_state (device_id, partition, state)
select device_id, partition, cast(state as jsonb)
from unnest(cast(:devices as text[]), cast(:partitions as integer[]), cast(:states as text[]))
    as kept (device_id, partition, state)
on conflict (device_id) do update set state = excluded.state, partition = excluded.partition
""")
_STRETCH: Final = sa.text("""
insert into alerts.late_span as held (device_id, partition, from_at, to_at, grown_at)
select device_id, partition, from_at, to_at, :now from unnest(:devices, :partitions, :starts, :ends)
    as late (device_id, partition, from_at, to_at)
on conflict (device_id) do update set from_at = least(held.from_at, excluded.from_at),
    to_at = greatest(held.to_at, excluded.to_at), grown_at = excluded.grown_at
""").bindparams(
    sa.bindparam("devices", type_=ARRAY(sa.Text)),
    sa.bindparam("partitions", type_=ARRAY(sa.Integer)),
    sa.bindparam("starts", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("ends", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("now", type_=sa.DateTime(timezone=True)),
)
_OVERLAPS: Final = sa.text("""
select exists (
    select from alerts.alarm where rule_id = :rule and device_id = :device and raised_at < :ended
      and coalesce(cleared_at, 'infinity') > :began
)
""")


class PostgresEvaluationStore:
    """An `EvaluationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, worker: str, lease_seconds: float) -> list[Share]:
        """Take this worker's fair share, newly; what it has already comes first, and what is too much is given back."""
        lease = timedelta(seconds=lease_seconds)
        async with self._database.transaction() as session:
            await session.execute(_HERE, {"worker": worker, "lease": lease})
            fair = (await session.execute(_FAIR)).one()
            most = -(-fair.partitions // fair.workers)
            rows = await session.execute(_CLAIM, {"worker": worker, "lease": lease, "most": most})
            shares = [Share(row.partition, row.generation, _mark(row)) for row in rows]
            await session.execute(_GIVE_BACK, {"worker": worker, "partitions": [share.partition for share in shares]})
        return shares

    async def fair_share(self, worker: str, lease_seconds: float) -> tuple[int, int]:
        """Say that this worker is here; return how many partitions it should have, and how many are nobody's."""
        async with self._database.transaction() as session:
            await session.execute(_HERE, {"worker": worker, "lease": timedelta(seconds=lease_seconds)})
            fair = (await session.execute(_FAIR)).one()
        return -(-fair.partitions // fair.workers), fair.free

    async def release(self, worker: str) -> None:
        """Give all partitions back, and do not count as a worker any more."""
        async with self._database.transaction() as session:
            await session.execute(_RELEASE, {"worker": worker})

    async def revision(self) -> int:
        """Return the count of changes of rules."""
        async with self._database.read() as session:
            return int(await session.scalar(sa.text("select revision from alerts.rule_revision")) or 0)

    async def rules(self) -> tuple[int, list[Rule]]:
        """Return the count of changes, and all rules, in one view."""
        async with self._database.read() as session:
            revision = await session.scalar(sa.text("select revision from alerts.rule_revision"))
            rows = await session.execute(sa.select(rules).order_by(rules.c.id))
            return int(revision or 0), [rule_of(row) for row in rows]

    async def devices(self) -> list[Device]:
        """Return all registered devices that are not disabled."""
        query = sa.text("select device_id, name, groups from identity.device_registry where is_active")
        async with self._database.read() as session:
            rows = await session.execute(query)
            return [Device(row.device_id, row.name, tuple(row.groups)) for row in rows]

    async def series(self) -> dict[str, dict[str, int]]:
        """Return the number of each series, by device and metric."""
        query = sa.text("select client_id, metric_key, series_id from telemetry.series_index")
        found: dict[str, dict[str, int]] = {}
        async with self._database.read() as session:
            for device_id, metric, series_id in await session.execute(query):
                found.setdefault(device_id, {})[metric] = series_id
        return found

    async def states(self, partitions: Sequence[int]) -> dict[str, Mapping[str, Any]]:
        """Return what was kept of each device."""
        query = sa.text(
            "select device_id, state from alerts.device_state where partition = any(cast(:partitions as integer[]))"
        )
        async with self._database.read() as session:
            rows = await session.execute(query, {"partitions": list(partitions)})
            return {row.device_id: row.state for row in rows}

    async def offline(self, device_ids: Collection[str]) -> set[str]:
        """Return those of these devices that are known to be offline."""
        query = sa.text(
            "select client_id from telemetry.device_status where status = 'OFFLINE'"
            " and client_id = any(cast(:device_ids as text[]))"
        )
        async with self._database.read() as session:
            return set(await session.scalars(query, {"device_ids": list(device_ids)}))

    async def commit(
        self, worker: str, shares: Sequence[Share], lease_seconds: float, now: datetime, progress: Progress
    ) -> int:
        """Commit progress while the shares are still ours."""
        async with self._database.transaction() as session:
            renewed = await session.execute(
                _RENEW, {"worker": worker, "lease": timedelta(seconds=lease_seconds), **_held(shares)}
            )
            if _rows(renewed) != len(shares):
                raise LostLeaseError
            new = await write_found(session, progress.found, now)
            await self._keep(session, progress)
            if progress.late:
                await session.execute(_STRETCH, {**_stretches(progress.late), "now": now})
            if progress.mark is not None:
                await session.execute(
                    _ADVANCE,
                    {
                        "epoch": progress.mark.epoch,
                        "position": progress.mark.position,
                        "received": moment(progress.mark.received_ms),
                        "partitions": [share.partition for share in shares],
                    },
                )
        return new

    async def late_spans(self, partitions: Sequence[int], grown_before: datetime, limit: int) -> list[Span]:
        """Return stretches that have not grown since then, oldest first."""
        query = sa.text(
            "select device_id, from_at, to_at, grown_at from alerts.late_span"
            " where partition = any(cast(:partitions as integer[])) and grown_at <= :before"
            " order by grown_at limit :most"
        )
        asked = {"partitions": list(partitions), "before": grown_before, "most": limit}
        async with self._database.read() as session:
            rows = await session.execute(query, asked)
            return [Span(row.device_id, unix_ms(row.from_at), unix_ms(row.to_at), row.grown_at) for row in rows]

    async def commit_late(self, span: Span, now: datetime, found: Sequence[tuple[Found, Found]]) -> int:
        """Write alarms of the past where none of the rule stood; a stretch that grew meanwhile is looked at again."""
        new = 0
        async with self._database.transaction() as session:
            await session.execute(
                sa.text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"),
                {"name": f"alerts_late:{span.device_id}"},
            )
            for raised, cleared in found:
                asked = {
                    "rule": raised.finding.rule.id,
                    "device": span.device_id,
                    "began": raised.at,
                    "ended": cleared.at,
                }
                if not await session.scalar(_OVERLAPS, asked):
                    new += await write_found(session, [raised, cleared], now) // 2
            await session.execute(
                sa.text("delete from alerts.late_span where device_id = :device and grown_at = :grown"),
                {"device": span.device_id, "grown": span.grown_at},
            )
        return new

    async def _keep(self, session: AsyncSession, progress: Progress) -> None:
        if progress.states:
            # In one order, so that nobody waits for somebody who waits.
            ordered = sorted(progress.states, key=lambda kept: kept[0])
            await session.execute(
                _KEEP,
                {
                    "devices": [device_id for device_id, _, _ in ordered],
                    "partitions": [partition for _, partition, _ in ordered],
                    "states": [json.dumps(state, separators=(",", ":")) for _, _, state in ordered],
                },
            )
        if progress.gone:
            await session.execute(
                sa.text("delete from alerts.device_state where device_id = any(cast(:devices as text[]))"),
                {"devices": progress.gone},
            )


def _held(shares: Sequence[Share]) -> dict[str, Any]:
    return {
        "partitions": [share.partition for share in shares],
        "generations": [share.generation for share in shares],
    }


def _stretches(late: Mapping[str, tuple[int, int, int]]) -> dict[str, Any]:
    ordered = sorted(late.items())
    return {
        "devices": [device_id for device_id, _ in ordered],
        "partitions": [stretch[0] for _, stretch in ordered],
        "starts": [moment(stretch[1]) for _, stretch in ordered],
        "ends": [moment(stretch[2]) for _, stretch in ordered],
    }


def _mark(row: sa.Row[Any]) -> Mark | None:
    if row.stream_epoch is None or row.received_through is None:
        return None
    return Mark(row.stream_epoch, row.stream_position, unix_ms(row.received_through))


def _rows(result: Any) -> int:
    return int(result.rowcount)
