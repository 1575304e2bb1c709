"""Redis streams as a log with offsets: append in bulk, read after an id, and know when an id means nothing any more.

Each stream has an epoch beside it (`<name>:epoch`), written in the same round trip as the entries, so that no entry is
ever there without one: after Redis lost its data the epoch differs, and every offset of the old one is void.
Ids are opaque strings to all callers. Whatever Redis does wrong arrives as `UnavailableError`; nothing is retried here.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from pulse_chassis.errors import UnavailableError
from pulse_contracts.streams import ENTRY_FIELD, TRACE_FIELD, epoch_key

START: Final = "0-0"
"""The position before the first entry."""
MAX_BLOCK_MS: Final = 5_000
"""The longest that one read waits; the socket's own deadline lies above it."""
_SOCKET_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 2.0
_FIELD: Final = ENTRY_FIELD.encode()
_TRACE_FIELD: Final = TRACE_FIELD.encode()

OnTraced = Callable[[str, list[str]], None]
"""Takes the id of an entry and the `traceparent` of each recorded trace that it belongs to."""


def connect_redis(url: str | SecretStr, *, max_connections: int = 32) -> Redis:
    """Return a client (nothing is connected yet) that gives up instead of hanging and never repeats a command.

    A crowd waits for a free connection, at most `_SOCKET_SECONDS`; without that it would be refused at once.
    """
    pool = BlockingConnectionPool.from_url(
        url.get_secret_value() if isinstance(url, SecretStr) else url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_SOCKET_SECONDS,
        socket_keepalive=True,
        max_connections=max_connections,
        timeout=_SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return Redis.from_pool(pool)


async def ping(redis: Redis) -> None:
    """Raise UnavailableError unless Redis answers: a check for `HealthRegistry`."""
    await _ask(redis, redis.ping())


async def epoch(redis: Redis, name: str) -> str:
    """Return the stream's epoch; whoever asks first sets it."""
    fresh = secrets.token_hex(8)
    found = await _ask(redis, redis.set(epoch_key(name), fresh, nx=True, get=True))
    return fresh if found is None else _text(found)


async def position(redis: Redis, name: str) -> str:
    """Return the id of the newest entry ever added (`0-0` if none was), also when it is trimmed by now."""
    try:
        info = await _ask(redis, redis.xinfo_stream(name))
    except _NoSuchKeyError:
        return START
    return _text(info["last-generated-id"])


async def entry_exists(redis: Redis, name: str, entry_id: str) -> bool:
    """Return whether this very entry is still in the stream: without it a resume would silently skip the trimmed."""
    return bool(await _ask(redis, redis.xrange(name, min=entry_id, max=entry_id, count=1)))


class StreamWriter:
    """Appends entries to one stream and keeps it at about `maxlen` entries."""

    def __init__(self, redis: Redis, name: str, maxlen: int) -> None:
        self._redis = redis
        self._name = name
        self._maxlen = maxlen

    async def append(self, entry: bytes) -> str:
        """Append one entry and return its id."""
        return (await self.append_many([entry]))[0]

    async def append_many(self, entries: Sequence[bytes], traceparents: Sequence[str] = ()) -> list[str]:
        """Append in this order, in one round trip, all or (when Redis is gone) possibly some; return the ids.

        With `traceparents` each entry says in a field of its own which recorded traces it belongs to.
        """
        if not entries:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(epoch_key(self._name), secrets.token_hex(8), nx=True)
        traced: dict[Any, Any] = {_TRACE_FIELD: ",".join(traceparents).encode()} if traceparents else {}
        for entry in entries:
            pipeline.xadd(self._name, {_FIELD: entry, **traced}, maxlen=self._maxlen, approximate=True)
        answers = await _ask(self._redis, pipeline.execute())
        return [_text(entry_id) for entry_id in answers[1:]]


class StreamReader:
    """Reads one stream, forward or back. `on_traced` is told of entries that belong to recorded traces, as they are read."""

    def __init__(self, redis: Redis, name: str, on_traced: OnTraced | None = None) -> None:
        self._redis = redis
        self._name = name
        self._on_traced = on_traced

    async def read(self, after_id: str, count: int = 500, block_ms: int | None = None) -> list[tuple[str, bytes]]:
        """Return up to `count` entries after `after_id`, oldest first.

        With `block_ms` (1 to 5000) it waits that long for the first one; an empty list means that none came. After
        trimming the list starts behind the hole without a word: ask `entry_exists` first when that matters.
        """
        if block_ms is not None and not 0 < block_ms <= MAX_BLOCK_MS:
            message = f"block_ms must be in 1..{MAX_BLOCK_MS}, or None for no waiting"
            raise ValueError(message)
        answer = await _ask(self._redis, self._redis.xread({self._name: after_id}, count=count, block=block_ms))
        entries = _entries(answer)
        if self._on_traced is not None:
            for entry_id, fields in entries:
                if fields is not None and _TRACE_FIELD in fields:
                    self._on_traced(_text(entry_id), _text(fields[_TRACE_FIELD]).split(","))
        return _payloads(entries)

    async def read_back(self, from_id: str, count: int = 500) -> list[tuple[str, bytes]]:
        """Return up to `count` entries at or before `from_id` (before it, as `(<id>`), newest first."""
        answer = await _ask(self._redis, self._redis.xrevrange(self._name, max=from_id, min="-", count=count))
        return _payloads(answer)


class StreamGroup:
    """Reads one stream as a consumer group: each entry is given until it is acknowledged, to one reader at a time.

    All processes share one consumer name, so that what one left unacknowledged is the next one's: an entry can then
    come twice, and whoever reads dedupes.
    """

    def __init__(self, redis: Redis, name: str, group: str) -> None:
        self._redis = redis
        self._name = name
        self._group = group

    async def open(self) -> None:
        """Make the group, and the stream, unless they are there; it begins with the oldest entry."""
        try:
            await _ask(self._redis, self._redis.xgroup_create(self._name, self._group, id="0", mkstream=True))
        except UnavailableError as error:
            if "BUSYGROUP" not in str(error.__cause__):
                raise

    async def read(self, count: int = 500, block_ms: int | None = None) -> list[tuple[str, bytes]]:
        """Return entries that were given to nobody yet; with `block_ms` wait that long for the first one."""
        return await self._read(">", count, block_ms)

    async def read_unacknowledged(self, count: int = 500) -> list[tuple[str, bytes]]:
        """Return entries that were given to somebody and not acknowledged, oldest first."""
        return await self._read("0", count, None)

    async def acknowledge(self, ids: Sequence[str]) -> None:
        """Say that these entries are done with."""
        if ids:
            await _ask(self._redis, self._redis.xack(self._name, self._group, *ids))

    async def _read(self, start: str, count: int, block_ms: int | None) -> list[tuple[str, bytes]]:
        asked = self._redis.xreadgroup(self._group, self._group, {self._name: start}, count=count, block=block_ms)
        return _payloads(_entries(await _ask(self._redis, asked)))


class _NoSuchKeyError(Exception):
    """Redis does not know the stream (yet)."""


async def _ask(redis: Redis, command: Awaitable[Any]) -> Any:
    try:
        return await command
    except ResponseError as error:
        if "no such key" in str(error):
            raise _NoSuchKeyError from error
        message = "the live stream refused a command"
        raise UnavailableError(message, code="redis_refused") from error
    except (RedisError, OSError, TimeoutError) as error:
        # The idle connections of the pool died with this one: each would cost its own error after the outage.
        await redis.connection_pool.disconnect(inuse_connections=False)
        message = "the live stream cannot be reached"
        raise UnavailableError(message, code="redis_unavailable") from error


def _entries(answer: Any) -> list[tuple[Any, Any]]:
    """Take the entries of the only stream out of an XREAD answer, in RESP2 (list) or RESP3 (dict) form."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (batches,) = answer.values()
        return [entry for batch in batches for entry in batch] if batches and isinstance(batches[0], list) else batches
    ((_, entries),) = answer
    return list(entries)


def _payloads(entries: Iterable[tuple[Any, Any]]) -> list[tuple[str, bytes]]:
    return [
        (_text(entry_id), bytes(fields[_FIELD]))
        for entry_id, fields in entries
        if fields is not None and _FIELD in fields
    ]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
