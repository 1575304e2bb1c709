"""One connection that is kept: a pool's release and acquire would cost each batch two round trips.

It is opened on first use, dropped when an error says that it may be broken, and opened anew at the next use. Used by
one task at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]


class PostgresLink:
    """Keeps one connection of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give the connection. What goes wrong comes out as DeferredError, PoisonError or a unique violation."""
        with verdicts():
            connection = self._connection
            if connection is None or connection.is_closed():
                await self._drop()
                connection = self._connection = await self._pool.acquire()
            try:
                yield connection
            except BaseException as error:
                is_servers_word = isinstance(error, asyncpg.PostgresError)
                if not is_servers_word or connection.is_closed():
                    await self._drop()
                raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            await self._pool.release(connection)

    async def close(self) -> None:
        """Give the connection back."""
        await self._drop()
