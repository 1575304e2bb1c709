"""One connection that is kept: a pool's release and acquire would cost each batch two round trips.

It is opened on first use, dropped when an error says that it may be broken, and opened anew at the next use. Used by
one task at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

OPERATION_SECONDS: Final = 30
ResultT = TypeVar("ResultT")


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
            if connection is None or _is_gone(connection):
                await self._drop()
                connection = self._connection = await self._pool.acquire()
            try:
                yield connection
            except BaseException as error:
                is_servers_word = isinstance(error, asyncpg.PostgresError)
                if not is_servers_word or _is_gone(connection):
                    await self._drop()
                raise

    async def bounded(self, operation: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run what uses the connection; raise DeferredError when the server went away under it, or takes too long.

        asyncpg waits for ever in a COPY whose connection died while the socket was full, and may not survive being
        cancelled there: such an operation is left behind, with its connection.
        """
        task = asyncio.create_task(operation, name="postgres_operation")
        try:
            for _ in range(OPERATION_SECONDS):
                done, _ = await asyncio.wait({task}, timeout=1.0)
                if done:
                    return task.result()
                if self._connection is not None and _is_gone(self._connection):
                    break
            message = "the server went away during an operation, or took too long"
            raise DeferredError(message)
        finally:
            if not task.done():
                connection, self._connection = self._connection, None
                if connection is not None:
                    with suppress(asyncpg.InterfaceError):
                        connection.terminate()
                task.cancel()
                task.add_done_callback(_ignore_end)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(asyncpg.InterfaceError):  # the pool has taken it back already
                connection.terminate()
            await self._pool.release(connection)

    async def close(self) -> None:
        """Give the connection back."""
        await self._drop()


def _ignore_end(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _is_gone(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the server closed it, and the pool took it back by itself
        return True
