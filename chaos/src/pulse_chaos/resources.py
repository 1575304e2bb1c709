"""What a running stack takes, looked at again and again: memory, open files, connections, streams, tables, logs.

It asks the system, the database and Valkey from outside, the services nothing but their metrics. What cannot be asked
while a fault lasts is a hole in a curve, not a value.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import redis.asyncio as redis_client
from redis.exceptions import RedisError

from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_chaos.site import Site
from pulse_chaos.trends import FEW_ROWS, Curve, Kind, Point
from pulse_contracts.streams import STREAM_MAXLEN

_ASKING: Final = 10.0
_CONNECTIONS: Final = """
select coalesce(usename, 'server') as who, count(*) from pg_stat_activity where backend_type = 'client backend' group by 1
"""
_TABLES: Final = """
select s.schemaname || '.' || coalesce(p.relname, s.relname) as name, sum(s.n_live_tup)::float8 as live,
       sum(s.n_dead_tup)::float8 as dead, sum(pg_total_relation_size(s.relid))::float8 / 1048576 as mib
from pg_stat_user_tables s
left join pg_inherits i on i.inhrelid = s.relid left join pg_class p on p.oid = i.inhparent
group by 1 having sum(pg_total_relation_size(s.relid)) > 65536
"""
_GROWS_BY_NATURE: Final = frozenset(
    {
        "telemetry.sample",
        "telemetry.rollup_minute",
        "telemetry.rollup_hour",
        "identity.audit_log",
        "identity.audit_checkpoints",
        "identity.applied_operations",
        "identity.tombstones",
        "sync.change",
        "commands.command",
        "commands.command_event",
        "commands.batch",
    }
)
"""Tables of what happened, kept for days by rule: more of it is more rows. Their dead rows are judged like others'."""
_STORED: Final = "select coalesce(sum(received), 0)::float8 from telemetry.completeness"


async def beside_the_streams(redis: redis_client.Redis) -> float:
    """Return the bytes that Valkey holds beside its streams: those have bounds and fill up to them for minutes."""
    # All entries, not the five that it would take for all the others: their sizes differ by much.
    in_streams = [await redis.memory_usage(stream, samples=0) or 0 for stream in STREAM_MAXLEN]
    return float((await redis.info("memory"))["used_memory"]) - sum(in_streams)


_WARM_UPS: Final = {"gateway: memory": 2}
"""The gateway keeps the newest 5,000 entries of every stream, and of some there are six a second."""


class ResourceWatch:
    """Fills `curves`; `add_process` for those that are no part of the stack. Run `run` as a task."""

    def __init__(self, site: Site, period: float) -> None:
        self._site = site
        self._period = period
        self._began = time.monotonic()
        self._others: dict[str, int | None] = {}
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._redis: redis_client.Redis = redis_client.Redis.from_url(
            str(site.stack.description["redis_url"]), socket_timeout=_ASKING, socket_connect_timeout=_ASKING
        )
        self._folders: dict[str, Path] = {}
        self.curves: dict[str, Curve] = {}

    @property
    def now(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._began

    def add_process(self, name: str, pid: int | None) -> None:
        """Watch a process beside the stack from now on; None: not any more."""
        self._others[name] = pid

    def add_folder(self, name: str, folder: Path) -> None:
        """Show how much is in a folder."""
        self._folders[name] = folder

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                began = time.monotonic()
                await asyncio.to_thread(self._look_at_processes)
                await asyncio.to_thread(self._look_at_files)
                await self._look_at_valkey()
                await self._look_at_database()
                await asyncio.sleep(max(0.1, self._period - (time.monotonic() - began)))
        finally:
            if self._connection is not None:
                self._connection.terminate()
            with suppress(RedisError, OSError):
                await self._redis.aclose()

    def _note(
        self, name: str, kind: Kind, unit: str, value: float, *, life: int = 0, bound: float | None = None
    ) -> None:
        curve = self.curves.get(name)
        if curve is None:
            curve = self.curves[name] = Curve(name, kind, unit, bound=bound, warm_ups=_WARM_UPS.get(name, 1))
        curve.points.append(Point(round(self.now, 2), round(value, 3), life))

    def _look_at_processes(self) -> None:
        pids = {name: self._site.stack.pid(name) for name in self._site.stack.parts()} | self._others
        for name, pid in pids.items():
            if pid is None:
                continue
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if name == "postgres":
                    self._look_at_postgres(process)
                    continue
                kind = Kind.LOAD if name == "valkey" else Kind.MEMORY
                with process.oneshot():
                    self._note(f"{name}: memory", kind, "MiB", process.memory_info().rss / 2**20, life=pid)
                    self._note(f"{name}: files", Kind.FILES, "files", process.num_fds(), life=pid)

    def _look_at_postgres(self, process: psutil.Process) -> None:
        """What all of its processes hold for themselves; what they share is one block of fixed size."""
        private = files = 0
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                memory = one.memory_info()
                private += memory.rss - memory.shared
                files += one.num_fds()
        self._note("postgres: memory", Kind.MEMORY, "MiB", private / 2**20, life=process.pid)
        self._note("postgres: files", Kind.FILES, "files", files, life=process.pid)

    def _look_at_files(self) -> None:
        logs = sum(file.stat().st_size for file in (self._site.stack.data / "logs").iterdir() if file.is_file())
        self._note("logs: written", Kind.LOGS, "KiB", logs / 1024)
        for name, folder in self._folders.items():
            size = 0
            for where, _, files in os.walk(folder):
                for file in files:
                    with suppress(OSError):
                        size += (Path(where) / file).stat().st_size
            self._note(name, Kind.LOAD, "MiB", size / 2**20)

    async def _look_at_valkey(self) -> None:
        with suppress(RedisError, OSError, TimeoutError):
            life = self._site.stack.pid("valkey") or 0
            for stream, most in STREAM_MAXLEN.items():
                length = await self._redis.xlen(stream)
                self._note(f"stream: {stream}", Kind.STREAM, "entries", length, life=life, bound=float(most))
            beside = await beside_the_streams(self._redis)
            self._note("valkey: memory beside the streams", Kind.MEMORY, "MiB", beside / 2**20, life=life)
            connected = float((await self._redis.info("clients"))["connected_clients"])
            self._note("valkey: connections", Kind.CONNECTIONS, "connections", connected, life=life)
            keys = float(await self._redis.dbsize())
            self._note("valkey: keys", Kind.STREAM, "keys", keys, life=life)

    async def _look_at_database(self) -> None:
        try:
            async with asyncio.timeout(_ASKING):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._site.superuser_url)
                stored = await self._connection.fetchval(_STORED)
                connections = await self._connection.fetch(_CONNECTIONS)
                tables = await self._connection.fetch(_TABLES)
        except DATABASE_ERRORS:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            return
        self._note("load: stored by agents", Kind.LOAD, "readings", stored)
        self._note_connections({record["who"]: float(record[1]) for record in connections})
        for record in tables:
            self._note_table(record["name"], record["live"], record["dead"], record["mib"])

    def _note_connections(self, by_user: Mapping[str, float]) -> None:
        self._note("postgres: connections", Kind.CONNECTIONS, "connections", sum(by_user.values()))
        known = {name.rpartition(" ")[2] for name in self.curves if name.startswith("connections of ")}
        for who in known | {name for name in by_user if name.startswith("pulse_")}:
            self._note(f"connections of {who}", Kind.CONNECTIONS, "connections", by_user.get(who, 0.0))

    def _note_table(self, name: str, live: float, dead: float, mib: float) -> None:
        kind = Kind.LOAD if name in _GROWS_BY_NATURE else Kind.TABLE
        self._note(f"table {name}: size", kind, "MiB", mib)
        if dead > FEW_ROWS or f"table {name}: dead rows" in self.curves:
            self._note(f"table {name}: dead rows", Kind.DEAD_ROWS, "to a live one", dead / max(FEW_ROWS, live))
