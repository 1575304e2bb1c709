"""PostgreSQL for a service: sessions with the only commit there is, a raw pool for hot paths, migrations.

Guaranteed: `transaction()` commits once at its end or not at all; `read()` cannot write; a server that cannot be
reached is an `UnavailableError` (503), everything else keeps its own type. URLs are taken as
`postgresql://role:password@host:port/database` or `…?host=/socket/dir`, by asyncpg's own rules.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger

STATEMENT_SECONDS: Final = 30.0
"""No statement of a service takes longer on purpose; a lock that is held for ever must not hold a request with it."""
NETWORK_SECONDS: Final = 5.0
"""The server ends a long statement itself; only a link that went silent is given up on our side, this much later."""
CONNECT_SECONDS: Final = 5.0
_POOL_WAIT_SECONDS: Final = 5.0
MIGRATION_PATIENCE_SECONDS: Final = 300.0
"""How long a migration waits for its database: a server that recovers after a crash takes minutes."""
TRUSTED_SECONDS: Final = 5.0
"""A connection that was used so recently is not asked whether it lives, unless it knows that it does not."""
_USED_AT_KEY: Final = "used_at"
OUTBOX_KEY: Final = "outbox_table"
"""Where a session keeps the table that `pulse_chassis.outbox.append` writes to."""
OUTBOX_WRITTEN_KEY: Final = "outbox_written"

_log = get_logger("database")
_UNREACHABLE: Final = (
    ConnectionError,
    TimeoutError,
    PoolTimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    # What asyncpg raises for an idle connection to which a server that ends has already said its last word.
    asyncpg.InternalClientError,
)
_HAS_ENDED: Final = re.compile(r"\bclos(?:ed|ing)\b|\breleased back\b")
"""asyncpg has one class for a connection that ended and for a mistake of its caller; its words tell them apart."""


class Database:
    """A bounded pool of connections and the two ways to use it."""

    def __init__(
        self,
        url: str | SecretStr,
        *,
        pool_size: int = 5,
        application_name: str,
        outbox: sqlalchemy.Table | None = None,
    ) -> None:
        self._engine = create_engine(url, pool_size=pool_size, application_name=application_name)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, info={OUTBOX_KEY: outbox})
        self._outbox_listeners: list[Callable[[], None]] = []

    @property
    def engine(self) -> AsyncEngine:
        """The engine below, for what needs one (tests, metadata)."""
        return self._engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session; commit when the block ends, roll back when it raises. Nobody else commits."""
        async with outages_as_unavailable(), self._sessions() as session:
            async with session.begin():
                yield session
            has_news = session.info.get(OUTBOX_WRITTEN_KEY, False)
        if has_news:
            for wake in self._outbox_listeners:
                wake()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Give a session in a read-only transaction with one view of the data; nothing is ever committed."""
        async with outages_as_unavailable(), self._sessions() as session:
            await session.connection(
                execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            )
            yield session
            await session.rollback()

    def on_outbox_commit(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each commit of a transaction that appended to the outbox."""
        self._outbox_listeners.append(wake)

    async def ping(self) -> None:
        """Raise UnavailableError unless the server answers: a check for `HealthRegistry`."""
        async with outages_as_unavailable(), self._engine.connect() as connection:
            await connection.execute(sqlalchemy.text("select 1"))

    async def dispose(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def create_engine(
    url: str | SecretStr, *, pool_size: int, application_name: str, statement_seconds: float | None = STATEMENT_SECONDS
) -> AsyncEngine:
    """Return an engine over asyncpg with a bounded pool whose dead connections are noticed before use."""
    dsn = _plain(url)

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        try:
            return await asyncpg.connect(
                dsn, timeout=CONNECT_SECONDS, **_connection_options(application_name, statement_seconds)
            )
        except OSError as error:
            raise _unavailable() from error

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
    )
    _notice_dead_connections(engine)
    return engine


def _notice_dead_connections(engine: AsyncEngine) -> None:
    """Replace dead connections before they are used.

    The pool's own `pre_ping` asks before each use, with three round trips: as many as a short transaction takes.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note_use(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT_KEY] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # What the server, or its machine's end, has said already.
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        used_at = record.info.get(_USED_AT_KEY)
        if used_at is not None and time.monotonic() - used_at > TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError from error


async def asyncpg_pool(
    url: str | SecretStr,
    *,
    application_name: str,
    min_size: int = 1,
    max_size: int = 4,
    statement_seconds: float | None = STATEMENT_SECONDS,
    is_stateless: bool = False,
) -> asyncpg.Pool[asyncpg.Record]:
    """Return an open asyncpg pool for hot paths (COPY, unnest); the caller closes it.

    With `is_stateless` the caller promises that no statement leaves anything behind in its session (locks, settings,
    cursors): connections are then not cleaned between uses, which costs a round trip and as much as a short query.

    Statements end after `statement_seconds` (None: never, for exports). What they raise is asyncpg's own; wrap them in
    `pool_outages_as_unavailable` to tell an outage from a mistake.
    """
    dsn = _plain(url)
    async with pool_outages_as_unavailable():
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_SECONDS,
            reset=_leave_as_it_is if is_stateless else None,
            **_connection_options(application_name, statement_seconds),
        )


async def _leave_as_it_is(_connection: object) -> None:
    """Clean nothing."""


async def upgrade(
    url: str | SecretStr,
    script_location: str | Path,
    version_schema: str,
    *,
    patience: float = MIGRATION_PATIENCE_SECONDS,
) -> None:
    """Migrate a schema to its newest revision; processes that start together take turns (advisory lock).

    `script_location` is a folder with `versions/` and an `env.py` that calls `run_migrations()` (below) and nothing
    else. The version table `alembic_version` lives in `version_schema`. A migration may take as long as it needs. A
    database that is not there, not ready, or goes away in between is waited for, `patience` seconds each time; a migration
    that was cut off is made again from its beginning. Raises UnavailableError after that. A schema that a newer release
    migrated is left as it is.
    """
    engine = create_engine(url, pool_size=2, application_name=f"migrate-{version_schema}", statement_seconds=None)
    backoff = Backoff(0.5, 5.0)
    gives_up_at = time.monotonic() + patience
    try:
        while True:
            try:
                async with _not_ready_as_unavailable(), engine.connect() as guard, engine.connect() as connection:
                    gives_up_at = time.monotonic() + patience
                    await _upgrade_in_turn(guard, connection, str(script_location), version_schema)
                    return
            except UnavailableError as error:
                if time.monotonic() >= gives_up_at:
                    message = f"{error.message}; waited {patience:g} s for it, nothing of schema {version_schema} is half done"
                    raise UnavailableError(message, code="database_unavailable") from error
                left = round(gives_up_at - time.monotonic())
                _log.warning("migration_waits", schema=version_schema, reason=error.message, gives_up_in_seconds=left)
                await asyncio.sleep(backoff.next_delay())
    finally:
        await engine.dispose()


def run_migrations(target_metadata: sqlalchemy.MetaData | None = None) -> None:
    """Run what alembic was asked for on the connection of `upgrade`: the only call in a service's `env.py`."""
    from alembic import context

    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=target_metadata,
        version_table_schema=attributes["version_schema"],
        include_schemas=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_LOCK: Final = sqlalchemy.text("select pg_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK: Final = sqlalchemy.text("select pg_advisory_unlock(hashtextextended(:name, 0))")


@asynccontextmanager
async def _not_ready_as_unavailable() -> AsyncIterator[None]:
    """Turn also what a database says that is only being set up into UnavailableError, with the words for it."""
    try:
        async with outages_as_unavailable():
            yield
    except (asyncpg.PostgresError, DBAPIError) as error:
        cause = _driver_error(error) if isinstance(error, DBAPIError) else error
        if isinstance(cause, asyncpg.InvalidCatalogNameError):
            message = "the database server runs, but has no such database (yet)"
            raise UnavailableError(message, code="database_missing") from error
        if isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
            message = "the database server runs, but refuses our role or its password"
            raise UnavailableError(message, code="database_refuses") from error
        raise


async def _upgrade_in_turn(
    guard: AsyncConnection, connection: AsyncConnection, script_location: str, version_schema: str
) -> None:
    await guard.execution_options(isolation_level="AUTOCOMMIT")
    await guard.execute(_LOCK, {"name": f"migrate:{version_schema}"})
    await _upgrade_on(connection, script_location, version_schema)
    await guard.execute(_UNLOCK, {"name": f"migrate:{version_schema}"})


async def _upgrade_on(connection: AsyncConnection, script_location: str, version_schema: str) -> None:
    config = Config()
    config.set_main_option("script_location", script_location.replace("%", "%%"))
    config.attributes["version_schema"] = version_schema

    def migrate(sync_connection: sqlalchemy.Connection) -> None:
        held = MigrationContext.configure(
            sync_connection, opts={"version_table_schema": version_schema}
        ).get_current_heads()
        # Else alembic would take the transaction of the question for one of ours, and commit nothing by itself.
        sync_connection.rollback()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if newer := sorted(set(held) - known):
            # A release before the last one, after a rollback: newer schemas only add, so it works with this one.
            _log.warning("schema_is_newer", schema=version_schema, revision=newer[0])
            return
        config.attributes["connection"] = sync_connection
        command.upgrade(config, "head")

    await connection.run_sync(migrate)
    await connection.commit()


@asynccontextmanager
async def outages_as_unavailable() -> AsyncIterator[None]:
    """Turn a server that is away, full or too slow into UnavailableError; leave every other error as it is."""
    try:
        yield
    except _UNREACHABLE as error:
        raise _unavailable() from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(_driver_error(error), _UNREACHABLE):
            raise _unavailable() from error
        raise


@asynccontextmanager
async def pool_outages_as_unavailable() -> AsyncIterator[None]:
    """`outages_as_unavailable` around what uses an asyncpg pool and does nothing else that may raise an OSError.

    There every OSError is the way to the server (a socket that is not there is no ConnectionError), and a connection
    that ended between two statements is an outage, too.
    """
    async with outages_as_unavailable():
        try:
            yield
        except OSError as error:
            raise _unavailable() from error
        except asyncpg.InterfaceError as error:
            if _HAS_ENDED.search(str(error)):
                raise _unavailable() from error
            raise


def _unavailable() -> UnavailableError:
    return UnavailableError("the database cannot be reached or is too slow", code="database_unavailable")


def _driver_error(error: DBAPIError) -> BaseException | None:
    return error.orig.__cause__ if error.orig is not None else None


def _connection_options(application_name: str, statement_seconds: float | None) -> dict[str, Any]:
    # JIT costs tens of milliseconds to save microseconds on queries as short as ours, more so over many partitions.
    settings = {"application_name": application_name, "timezone": "UTC", "jit": "off"}
    if statement_seconds is None:
        return {"server_settings": settings}
    settings["statement_timeout"] = str(round(statement_seconds * 1000))
    return {"server_settings": settings, "command_timeout": statement_seconds + NETWORK_SECONDS}


def _plain(url: str | SecretStr) -> str:
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        message = "a database URL looks like postgresql://role:password@host:port/database"
        raise ValueError(message)
    return f"postgresql://{rest}"
