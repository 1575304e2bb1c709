"""Who is heard, and who owns which epoch, in PostgreSQL.

Guaranteed: a sighting from before a client went offline never brings it back; every time a client goes and comes leaves
a row in `telemetry.offline_period`; two hellos of one client are decided one after the other. Sightings may be written
without waiting for the disk (a crash makes a device look at most a second older); what a hello decides never is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pulse_contracts.acks import MAX_WELCOME_RANGES
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Hello
from pulse_contracts.streams import CompletenessReport
from pulse_ingest.domain.greeting import EpochState, RenewalReason, renewal_reason
from pulse_ingest.domain.presence import Sighting, Status, StatusChange
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.storage.postgres_errors import verdicts
from pulse_ingest.storage.times import from_us, to_us
from pulse_ingest.use_cases.ports import Greeting

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

OWNER_LIVE: Final = timedelta(seconds=10)
"""An owner heard within this time, and without a last will since, still lives (two heartbeats)."""

_WRITE: Final = """
insert into telemetry.presence as p
    (client_id, status, since, last_seen, heartbeat_at, instance, agent_version, buffered, clock_offset_ms)
select n.client_id, 'ONLINE', n.seen, n.seen, n.heartbeat_at, n.instance, n.agent_version, n.buffered, n.clock_offset_ms
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::float8[])
    as n (client_id, seen, heartbeat_at, instance, agent_version, buffered, clock_offset_ms)
order by n.client_id
on conflict (client_id) do update set
    status = case when excluded.last_seen > coalesce(p.went_offline_at, '-infinity') then 'ONLINE' else p.status end,
    since = case when p.status = 'OFFLINE' and excluded.last_seen > coalesce(p.went_offline_at, '-infinity')
        then excluded.last_seen else p.since end,
    reason = case when excluded.last_seen > coalesce(p.went_offline_at, '-infinity') then null else p.reason end,
    last_seen = greatest(p.last_seen, excluded.last_seen),
    heartbeat_at = greatest(p.heartbeat_at, excluded.heartbeat_at),
    instance = coalesce(excluded.instance, p.instance),
    agent_version = coalesce(excluded.agent_version, p.agent_version),
    buffered = coalesce(excluded.buffered, p.buffered),
    clock_offset_ms = coalesce(excluded.clock_offset_ms, p.clock_offset_ms)
returning p.client_id, p.status, p.since, p.last_seen
"""
_END_PERIODS: Final = """
update telemetry.offline_period o set ended_at = greatest(n.at, o.started_at)
from unnest($1::text[], $2::timestamptz[]) as n (client_id, at)
where o.client_id = n.client_id and o.ended_at is null
"""
_BEGIN_PERIODS: Final = """
insert into telemetry.offline_period (client_id, started_at, reason)
select * from unnest($1::text[], $2::timestamptz[], $3::text[]) on conflict do nothing
"""
_SAY_OFFLINE: Final = """
update telemetry.presence set
    status = 'OFFLINE', reason = $4, went_offline_at = $3,
    since = case when status = 'ONLINE' then $3 else since end
where client_id = $1 and last_seen <= $3
  and ($2::text is null or instance is null or instance = $2)
returning since = $3 as has_changed, since, last_seen
"""
_SWEEP: Final = """
with silent as (
    select client_id from telemetry.presence
    where status = 'ONLINE' and last_seen < case when heartbeat_at is null then $3::timestamptz else $2 end
    order by client_id for update skip locked
)
update telemetry.presence p set status = 'OFFLINE', since = $1, reason = 'silence', went_offline_at = p.last_seen
from silent s where p.client_id = s.client_id
returning p.client_id, p.since, p.last_seen
"""
_COMPLETENESS: Final = """
select distinct on (client_id) client_id, epoch, cum, highest, received, missing, lost
from telemetry.completeness where client_id = any($1::text[]) order by client_id, epoch desc
"""
_GREETED: Final = """
insert into telemetry.presence as p (client_id, status, since, last_seen, heartbeat_at)
values ($1, 'ONLINE', $2, $2, null)
on conflict (client_id) do update set client_id = excluded.client_id
returning status, instance, heartbeat_at, went_offline_at, since, hello_instance, hello_id, hello_epoch
"""
_GREET_PRESENCE: Final = """
update telemetry.presence set
    status = 'ONLINE', since = case when status = 'ONLINE' then since else $2 end, reason = null,
    last_seen = greatest(last_seen, $2), heartbeat_at = greatest(heartbeat_at, $2), instance = $3, agent_version = $4,
    buffered = $5, hello_instance = $3, hello_id = $6, hello_epoch = $7
where client_id = $1
"""
_EPOCHS: Final = """
select epoch, owner, former_owners,
       greatest(origin, coalesce(upper(received + rejected + lost) - 1, 0)) as highest
from telemetry.stream where client_id = $1 order by epoch for update
"""
_NEW_EPOCH: Final = "insert into telemetry.stream (client_id, epoch, origin, owner) values ($1, $2, $3, $4)"
_CARRY: Final = """
update telemetry.stream set carried = carried + int8multirange(int8range($3::bigint, greatest($3::bigint, $4::bigint)))
where client_id = $1 and (epoch = $2 or owner = $5) and epoch <> $6
"""
_TAKE_OVER: Final = """
update telemetry.stream set owner = $3,
    former_owners = case when owner is null or owner = any(former_owners) then former_owners
        else former_owners || owner end
where client_id = $1 and epoch = $2 and owner is distinct from $3
"""
_WELCOME: Final = """
select telemetry.prefix_end(settled) as cum, head_seq, head_at,
       (select '{' || coalesce(string_agg(r::text, ','), '') || '}' from (
            select r from unnest(settled * int8multirange(int8range($3::bigint, null))) as r limit $4) as first) as received
from (
    select *, int8multirange(int8range(1, origin + 1)) + received + rejected + lost as settled
    from telemetry.stream where client_id = $1 and epoch = $2
) as s
"""


class PostgresPresenceStore:
    """The `PresenceStore` of production."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, sightings: Sequence[Sighting]) -> list[StatusChange]:
        """Write down who was heard (see `PresenceStore.write`)."""
        if not sightings:
            return []
        seen = {line.client_id: from_us(line.seen_us) for line in sightings}
        async with self._transaction(is_durable=False) as connection:
            records = await connection.fetch(_WRITE, *_sighting_columns(sightings))
            came = [record for record in records if record["status"] == "ONLINE"]
            came = [record for record in came if record["since"] == seen[record["client_id"]]]
            await connection.execute(_END_PERIODS, [r["client_id"] for r in came], [r["since"] for r in came])
        return [_change(record, "ONLINE", None) for record in came]

    async def say_offline(
        self, client_id: ClientId, instance: str | None, at_us: int, reason: str
    ) -> StatusChange | None:
        """Take a client offline (see `PresenceStore.say_offline`)."""
        at = from_us(at_us)
        async with self._transaction() as connection:
            record = await connection.fetchrow(_SAY_OFFLINE, client_id, instance, at, reason)
            if record is None or not record["has_changed"]:
                return None
            await connection.execute(_BEGIN_PERIODS, [client_id], [at], [reason])
        return StatusChange(client_id, "OFFLINE", at_us, to_us(record["last_seen"]), reason)

    async def sweep(self, now_us: int, silence_us: int, plain_silence_us: int) -> list[StatusChange]:
        """Take offline who was silent for too long (see `PresenceStore.sweep`)."""
        limits = (from_us(now_us), from_us(now_us - silence_us), from_us(now_us - plain_silence_us))
        async with self._transaction() as connection:
            records = await connection.fetch(_SWEEP, *limits)
            if records:
                clients = [record["client_id"] for record in records]
                started = [record["last_seen"] for record in records]
                await connection.execute(_BEGIN_PERIODS, clients, started, ["silence"] * len(clients))
        return [_change(record, "OFFLINE", "silence") for record in records]

    async def completeness(self, client_ids: Sequence[ClientId]) -> dict[ClientId, CompletenessReport]:
        """Return how complete the newest epoch of each client is."""
        with verdicts():
            records = await self._pool.fetch(_COMPLETENESS, client_ids)
        return {
            ClientId(record["client_id"]): CompletenessReport(
                **{name: value for name, value in record.items() if name != "client_id"}
            )
            for record in records
        }

    async def greet(self, hello: Hello, received_us: int) -> Greeting:
        """Decide about a hello and write it down (see `PresenceStore.greet`)."""
        now = from_us(received_us)
        client_id = ClientId(hello.client_id)
        async with self._transaction() as connection:
            # Locks the client's line, so that its hellos are decided one after the other.
            presence = await connection.fetchrow(_GREETED, client_id, now)
            assert presence is not None  # noqa: S101 -- an upsert returns its row
            if _is_decided(hello, presence):
                answer = await _welcome(connection, hello, presence["hello_epoch"])
                return _greeting(presence["hello_epoch"], answer, presence["hello_id"], is_repeated=True)
            epochs = {record["epoch"]: record for record in await connection.fetch(_EPOCHS, client_id)}
            state = _epoch_state(epochs.get(hello.epoch), presence, now)
            reason = renewal_reason(hello, state)
            epoch = hello.epoch
            if reason is None:
                await connection.execute(_TAKE_OVER, client_id, epoch, hello.instance)
            else:
                epoch = max(epochs, default=0) + 1
                await _renew(connection, hello, epoch)
            await connection.execute(
                _GREET_PRESENCE,
                *(client_id, now, hello.instance, hello.version or None, hello.count, hello.id, epoch),
            )
            await connection.execute(_END_PERIODS, [client_id], [now])
            answer = await _welcome(connection, hello, epoch)
        came_online = presence["status"] == "OFFLINE" or presence["since"] == now
        return _greeting(epoch, answer, hello.id, renewed=reason, came_online=came_online)

    @asynccontextmanager
    async def _transaction(self, *, is_durable: bool = True) -> AsyncIterator[Connection]:
        with verdicts():
            async with self._pool.acquire() as connection, connection.transaction():
                if not is_durable:
                    await connection.execute("set local synchronous_commit = off")
                yield connection


def _is_decided(hello: Hello, presence: Any) -> bool:
    """Tell whether this hello was decided before, or a later one of the same instance.

    It speaks of an outbox as it was then: to decide it now would renew an epoch that the client is content with.
    """
    last = presence["hello_id"]
    return (
        hello.id is not None and last is not None and presence["hello_instance"] == hello.instance and hello.id <= last
    )


async def _welcome(connection: Connection, hello: Hello, epoch: int) -> Any:
    return await connection.fetchrow(_WELCOME, hello.client_id, epoch, hello.oldest_unacked, MAX_WELCOME_RANGES)


async def _renew(connection: Connection, hello: Hello, epoch: int) -> None:
    await connection.execute(_NEW_EPOCH, hello.client_id, epoch, hello.oldest_unacked - 1, hello.instance)
    # What the client still holds is settled under the new epoch; it leaves no holes in the old one.
    await connection.execute(
        _CARRY, hello.client_id, hello.epoch, hello.oldest_unacked, hello.next, hello.instance, epoch
    )


def _epoch_state(record: Any, presence: Any, now: datetime) -> EpochState | None:
    if record is None:
        return None
    heard, went = presence["heartbeat_at"], presence["went_offline_at"]
    is_live = heard is not None and now - heard <= OWNER_LIVE and (went is None or went < heard)
    return EpochState(
        highest=record["highest"],
        owner=record["owner"],
        former_owners=frozenset(record["former_owners"]),
        is_owner_live=is_live and presence["instance"] == record["owner"],
    )


def _greeting(
    epoch: int,
    answer: Any,
    hello_id: int | None,
    *,
    renewed: RenewalReason | None = None,
    came_online: bool = False,
    is_repeated: bool = False,
) -> Greeting:
    head = (answer["head_seq"], to_us(answer["head_at"])) if answer["head_at"] is not None else None
    return Greeting(
        epoch=epoch,
        cum=answer["cum"],
        received=Ranges.parse(answer["received"]),
        head=head,
        renewed=renewed,
        came_online=came_online,
        hello_id=hello_id,
        is_repeated=is_repeated,
    )


def _sighting_columns(sightings: Sequence[Sighting]) -> tuple[list[Any], ...]:
    return (
        [line.client_id for line in sightings],
        [from_us(line.seen_us) for line in sightings],
        [None if line.heartbeat_us is None else from_us(line.heartbeat_us) for line in sightings],
        [line.instance for line in sightings],
        [line.agent_version for line in sightings],
        [line.buffered for line in sightings],
        [line.clock_offset_ms for line in sightings],
    )


def _change(record: Any, status: Status, reason: str | None) -> StatusChange:
    return StatusChange(
        ClientId(record["client_id"]), status, to_us(record["since"]), to_us(record["last_seen"]), reason
    )
