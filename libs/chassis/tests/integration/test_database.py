"""One commit, read-only reads, an unreachable server told apart."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from pulse_chassis import database
from pulse_chassis.database import Database, asyncpg_pool, outages_as_unavailable, pool_outages_as_unavailable
from pulse_chassis.errors import UnavailableError


@pytest.fixture
def url(postgres_database: dict[str, str]) -> str:
    return postgres_database["pulse_identity"]


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    made = Database(SecretStr(url), pool_size=2, application_name="test")
    async with made.transaction() as session:
        await session.execute(text("create table identity.thing (id int primary key)"))
    yield made
    await made.dispose()


async def _count(db: Database) -> int:
    async with db.read() as session:
        return int(await session.scalar(text("select count(*) from identity.thing")) or 0)


async def test_a_transaction_commits_at_its_end(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(text("insert into identity.thing values (1)"))
        assert await _count(db) == 0
    assert await _count(db) == 1


async def test_an_error_rolls_everything_back(db: Database) -> None:
    async def insert(*numbers: int) -> None:
        async with db.transaction() as session:
            for number in numbers:
                await session.execute(text("insert into identity.thing values (:number)"), {"number": number})
            raise KeyError

    with pytest.raises(IntegrityError):
        await insert(1, 1)
    with pytest.raises(KeyError):
        await insert(2)
    assert await _count(db) == 0


async def test_a_cancelled_transaction_leaves_nothing_and_no_broken_connection(db: Database) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with db.transaction() as session:
            await session.execute(text("insert into identity.thing values (1)"))
            inside.set()
            await session.execute(text("select pg_sleep(60)"))

    for _ in range(4):
        task = asyncio.create_task(work())
        await inside.wait()
        inside.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await _count(db) == 0


async def test_a_read_cannot_write_and_sees_one_moment(db: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only"):
        async with db.read() as session:
            await session.execute(text("insert into identity.thing values (1)"))
    async with db.read() as session:
        before = await session.scalar(text("select count(*) from identity.thing"))
        async with db.transaction() as writer:
            await writer.execute(text("insert into identity.thing values (1)"))
        assert await session.scalar(text("select count(*) from identity.thing")) == before
    assert await _count(db) == 1


async def test_the_connection_says_who_it_is_and_thinks_in_utc(db: Database) -> None:
    async with db.read() as session:
        row = (
            await session.execute(
                text("select current_setting('application_name'), current_setting('TimeZone'), current_setting('jit')")
            )
        ).one()
    assert tuple(row) == ("test", "UTC", "off")


async def test_an_unreachable_server_is_unavailable_and_comes_back(
    db: Database, postgres_server: Any, url: str
) -> None:
    await db.ping()
    pool = await asyncpg_pool(url, application_name="test", max_size=1)
    await asyncio.to_thread(postgres_server.stop)
    try:
        with pytest.raises(UnavailableError):
            await db.ping()
        with pytest.raises(UnavailableError):
            async with db.transaction() as session:
                await session.execute(text("select 1"))
        with pytest.raises(UnavailableError):
            await asyncpg_pool(url, application_name="test")
    finally:
        await asyncio.to_thread(postgres_server.start)
    await db.ping()
    assert await pool.fetchval("select 1") == 1
    await pool.close()


async def _end_idle_connections(admin: "asyncpg.Pool[asyncpg.Record]") -> None:
    """End what the pool of the database under test holds."""
    ended = await admin.fetch(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'test'"
    )
    assert ended


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_a_connection_that_died_while_nobody_used_it_costs_nobody_a_request(
    db: Database, postgres_server: Any, url: str, monkeypatch: pytest.MonkeyPatch, *, is_noticed: bool
) -> None:
    admin = await asyncpg_pool(postgres_server.superuser_url(url), application_name="admin", max_size=1)
    await db.ping()
    await _end_idle_connections(admin)
    await admin.close()
    if not is_noticed:
        # As behind a router that forgot it: nobody said that it ended, and it was not used for long.
        monkeypatch.setattr(asyncpg.Connection, "is_closed", lambda _self: False)
        monkeypatch.setattr(database, "TRUSTED_SECONDS", -1.0)
    assert await _count(db) == 0


async def test_a_connection_that_dies_in_a_transaction_is_unavailable(
    db: Database, postgres_server: Any, url: str
) -> None:
    admin = await asyncpg_pool(postgres_server.superuser_url(url), application_name="admin", max_size=1)

    async def die_inside() -> None:
        async with db.transaction() as session:
            pid = await session.scalar(text("select pg_backend_pid()"))
            await admin.execute("select pg_terminate_backend($1, 5000)", pid)
            await session.execute(text("insert into identity.thing values (1)"))

    with pytest.raises(UnavailableError):
        await die_inside()
    assert await _count(db) == 0
    await admin.close()


@asynccontextmanager
async def _with_last_words(url: str, folder: Path) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Give a way to the server, and what lets its connections hear what a server says that ends, before they end."""
    parts = urlsplit(url)
    directory = parse_qs(parts.query)["host"][0]
    clients: list[asyncio.StreamWriter] = []
    joined: list[asyncio.Task[None]] = []
    fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        joined.append(task)
        clients.append(writer)
        down, up = await asyncio.open_unix_connection(f"{directory}/.s.PGSQL.5432")
        await asyncio.gather(pipe(reader, up), pipe(down, writer))

    def say() -> None:
        for writer in clients:
            writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    async with await asyncio.start_unix_server(join, folder / ".s.PGSQL.5432"):
        yield urlunsplit(parts._replace(query=urlencode({"host": str(folder)}))), say
        async with asyncio.timeout(10):
            await asyncio.gather(*joined)


async def test_a_server_that_has_said_its_last_word_is_unavailable_before_its_connection_ends(
    db: Database, url: str, tmp_path: Path
) -> None:
    """Between the word and the end asyncpg has an error of its own for whoever uses the connection."""

    async def ask_pool() -> None:
        async with outages_as_unavailable():
            await pool.fetchval("select 1")

    async def ask_database() -> None:
        async with through.transaction() as session:
            await session.execute(text("select 1"))

    async with _with_last_words(url, tmp_path) as (way, say):
        pool = await asyncpg_pool(way, application_name="test", max_size=1, is_stateless=True)
        through = Database(way, pool_size=1, application_name="test")
        await ask_pool()
        await ask_database()
        say()
        for _ in range(3):
            await asyncio.sleep(0)  # What is in a socket is read in the loop's next turn.
        for ask in (ask_pool, ask_database):
            with pytest.raises(UnavailableError):
                await ask()
        pool.terminate()
        await through.dispose()


async def test_a_pools_connection_that_ends_between_two_statements_is_unavailable_and_a_mistake_is_not(
    db: Database, postgres_server: Any, url: str, eventually: Callable[..., Awaitable[None]]
) -> None:
    """asyncpg raises its InterfaceError for both."""
    admin = await asyncpg_pool(postgres_server.superuser_url(url), application_name="admin", max_size=1)
    pool = await asyncpg_pool(url, application_name="test", max_size=1)

    async def end_between() -> None:
        async with pool_outages_as_unavailable(), pool.acquire() as connection, connection.transaction():
            await _end_idle_connections(admin)
            await eventually(lambda: pool.get_size() == 0)  # Now the end is known here, too.
            await connection.fetchval("select 1")

    async def mistake() -> None:
        async with pool_outages_as_unavailable():
            await pool.fetchval("select $1::int")

    with pytest.raises(UnavailableError):
        await end_between()
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        await mistake()
    await pool.close()
    await admin.close()


async def test_an_error_of_the_callers_own_keeps_its_type(db: Database) -> None:
    async def lose_a_file() -> None:
        async with db.transaction() as session:
            await session.execute(text("select 1"))
            raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        await lose_a_file()


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(url: str) -> None:
    pool = await asyncpg_pool(url, application_name="test", max_size=1, statement_seconds=0.1)
    with pytest.raises(UnavailableError):
        async with outages_as_unavailable():
            await pool.fetchval("select pg_sleep(5)")
    assert await pool.fetchval("select 1") == 1
    await pool.close()
    endless = await asyncpg_pool(url, application_name="test", max_size=1, statement_seconds=None)
    assert await endless.fetchval("show statement_timeout") == "0"
    await endless.close()


async def test_a_full_pool_is_unavailable_and_not_a_hang(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse_chassis.database._POOL_WAIT_SECONDS", 0.1)
    db = Database(url, pool_size=1, application_name="test")
    async with db.read() as session:
        await session.execute(text("select 1"))
        with pytest.raises(UnavailableError):
            await db.ping()
    await db.dispose()


@pytest.mark.parametrize("wrong", ["mysql://x", "postgresql", "", "sqlite:///x"])
def test_another_kind_of_url_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        Database(wrong, application_name="test")
