"""The numbers of series: cached for each client, created on first sight, safe when several workers create the same.

Numbers never change and series are never deleted, so what is cached stays right. New ones are committed on their own
before the batch that needs them: sorted, and skipping what is there, so that two workers wait for one another at most
once and in one direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pulse_contracts.ids import ClientId
from pulse_ingest.domain.batch import Batch
from pulse_ingest.use_cases.ports import TooManySeriesError

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection

MAX_CACHED_CLIENTS: Final = 50_000
"""Above it the cache starts anew: some 100 MB with 10 metrics a client."""

_LOAD: Final = "select client_id, metric_key, id from telemetry.series where client_id = any($1::text[])"
_CREATE: Final = """
insert into telemetry.series (client_id, metric_key)
select w.client_id, w.metric_key
from unnest($1::text[], $2::text[]) as w (client_id, metric_key)
where not exists (select from telemetry.series s where s.client_id = w.client_id and s.metric_key = w.metric_key)
order by w.client_id, w.metric_key
on conflict do nothing
"""


class SeriesIds:
    """The cache. `most` is how many metrics one client may ever have."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.by_client: dict[ClientId, dict[str, int]] = {}

    def missing(self, batch: Batch) -> dict[ClientId, set[str]]:
        """Return the metrics of a batch that have no number here yet."""
        found: dict[ClientId, set[str]] = {}
        known = self.by_client
        for (client_id, _), claim in batch.claims.items():
            keys = known.get(client_id, _NOTHING).keys()
            for _, rows, _ in claim.chunks:
                for _, metrics in rows:
                    if not metrics.keys() <= keys:
                        found.setdefault(client_id, set()).update(metrics.keys() - keys)
        for client_id, _, _, metrics, _ in batch.plain:
            keys = known.get(client_id, _NOTHING).keys()
            if not metrics.keys() <= keys:
                found.setdefault(client_id, set()).update(metrics.keys() - keys)
        return found

    async def ensure(self, connection: Connection, missing: dict[ClientId, set[str]]) -> None:
        """Give each of these a number. Raises TooManySeriesError before anything is created."""
        clients = sorted(missing)
        if len(self.by_client) + len(clients) > MAX_CACHED_CLIENTS:
            self.by_client.clear()
        await self._load(connection, clients)
        wanted = sorted(self._without_number(missing))
        crowded = self._crowded(clients, wanted)
        if crowded:
            raise TooManySeriesError({client: frozenset(self.by_client.get(client, _NOTHING)) for client in crowded})
        if wanted:
            await connection.execute(_CREATE, [client for client, _ in wanted], [key for _, key in wanted])
            await self._load(connection, sorted({client for client, _ in wanted}))

    def _without_number(self, missing: dict[ClientId, set[str]]) -> Iterable[tuple[ClientId, str]]:
        for client_id, keys in missing.items():
            known = self.by_client.get(client_id, _NOTHING)
            for key in keys:
                if key not in known:
                    yield client_id, key

    def _crowded(self, clients: Iterable[ClientId], wanted: Sequence[tuple[ClientId, str]]) -> list[ClientId]:
        new = dict.fromkeys(clients, 0)
        for client, _ in wanted:
            new[client] += 1
        return [
            client
            for client, count in new.items()
            if count and count + len(self.by_client.get(client, ())) > self._most
        ]

    async def _load(self, connection: Connection, clients: Sequence[ClientId]) -> None:
        for record in await connection.fetch(_LOAD, clients):
            self.by_client.setdefault(record[0], {})[record[1]] = record[2]


_NOTHING: Final[dict[str, int]] = {}
