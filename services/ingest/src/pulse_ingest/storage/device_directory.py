"""The registered devices, read from the views that identity publishes and kept for a while.

A device that is not there is asked for again after two seconds, one that is after a minute; a message of identity on
the devices stream makes us forget a device at once. While identity's views cannot be read, what is known stays good: a
reading of a device that was registered a minute ago is not refused because a database restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pulse_contracts.device_keys import key_sha256
from pulse_contracts.ids import ClientId
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.storage.postgres_errors import verdicts
from pulse_ingest.use_cases.ports import Device

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Pool

KNOWN_SECONDS: Final = 60.0
UNKNOWN_SECONDS: Final = 2.0
MAX_CACHED: Final = 200_000

_LOOK_UP: Final = """
select r.device_id, r.is_active,
       coalesce(array_agg(k.key_sha256) filter (where k.key_sha256 is not null), '{}') as digests
from identity.device_registry r
left join identity.device_key k
    on k.device_id = r.device_id and (k.expires_at is null or k.expires_at > now())
where r.device_id = any($1::text[])
group by r.device_id, r.is_active
"""
_BY_KEY: Final = """
select device_id from identity.device_key where key_sha256 = $1 and (expires_at is null or expires_at > now())
"""
_WRITABLE: Final = """
select distinct device_id from identity.device_access
where user_id = $1 and device_id = any($2::text[]) and level in ('control', 'owner')
"""


class DeviceDirectory:
    """The `DeviceRegistry` of production."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float]) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._devices: dict[ClientId, tuple[Device | None, float]] = {}

    def find(self, client_id: ClientId) -> Device | None:
        """Return the device from the cache."""
        entry = self._devices.get(client_id)
        return None if entry is None else entry[0]

    def unknown(self, client_ids: Iterable[ClientId]) -> list[ClientId]:
        """Return those that must be looked up."""
        now = self._monotonic()
        devices = self._devices
        return [client_id for client_id in client_ids if client_id not in devices or devices[client_id][1] <= now]

    async def learn(self, client_ids: Sequence[ClientId]) -> None:
        """Look devices up."""
        now = self._monotonic()
        try:
            with verdicts():
                records = await self._pool.fetch(_LOOK_UP, client_ids)
        except DeferredError:
            if any(client_id not in self._devices for client_id in client_ids):
                raise
            for client_id in client_ids:
                self._devices[client_id] = (self._devices[client_id][0], now + UNKNOWN_SECONDS)
            return
        if len(self._devices) + len(client_ids) > MAX_CACHED:
            self._devices.clear()
        for client_id in client_ids:
            self._devices[client_id] = (None, now + UNKNOWN_SECONDS)
        for record in records:
            client_id = ClientId(record["device_id"])
            device = Device(client_id, record["is_active"], frozenset(record["digests"]))
            self._devices[client_id] = (device, now + KNOWN_SECONDS)

    async def find_by_key(self, api_key: str) -> Device | None:
        """Return whose key this is; never cached, so that a withdrawn key ends at once."""
        with verdicts():
            found = await self._pool.fetchval(_BY_KEY, key_sha256(api_key))
        if found is None:
            return None
        client_id = ClientId(found)
        await self.learn([client_id])
        return self.find(client_id)

    async def writable_by(self, user_id: UUID, client_ids: Sequence[ClientId]) -> frozenset[ClientId]:
        """Return those of these devices that a user owns or may control; never cached."""
        with verdicts():
            records = await self._pool.fetch(_WRITABLE, user_id, client_ids)
        return frozenset(ClientId(record[0]) for record in records)

    def forget(self, client_id: ClientId) -> None:
        """Look this device up again before its next message: identity said that it changed."""
        entry = self._devices.get(client_id)
        if entry is not None:
            self._devices[client_id] = (entry[0], 0.0)

    def forget_all(self) -> None:
        """Look every device up again: news of identity may have been missed."""
        for client_id, (device, _) in list(self._devices.items()):
            self._devices[client_id] = (device, 0.0)
