"""The gateway's connections to PostgreSQL: read-only, opened when first needed, every outage a typed error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from pydantic import SecretStr

from pulse_chassis.database import STATEMENT_SECONDS, asyncpg_pool, pool_outages_as_unavailable
from pulse_chassis.errors import UnavailableError

POOL_SIZE: Final = 6
ACQUIRE_SECONDS: Final = 5.0

_NOT_PUBLISHED: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)


class ReadPool:
    """A small pool. It can be made while the server is away. Statements end after `statement_seconds`, unless None."""

    def __init__(
        self, url: SecretStr, *, size: int = POOL_SIZE, statement_seconds: float | None = STATEMENT_SECONDS
    ) -> None:
        self._url = url
        self._size = size
        self._statement_seconds = statement_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
        """Give a connection. Raises UnavailableError when the server, or what it should publish, is not there."""
        if self._pool is None:
            self._pool = await asyncpg_pool(
                self._url,
                application_name="pulse-gateway",
                min_size=0,
                max_size=self._size,
                statement_seconds=self._statement_seconds,
            )
        async with pool_outages_as_unavailable():
            try:
                async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                    yield connection
            except _NOT_PUBLISHED as error:
                message = "what the other services publish is not there yet"
                raise UnavailableError(message, code="not_published") from error

    async def ping(self) -> None:
        """Raise UnavailableError unless the server answers."""
        async with self.connection() as connection:
            await connection.execute("select 1")

    async def close(self) -> None:
        """Close all connections; one that hangs is dropped."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None
