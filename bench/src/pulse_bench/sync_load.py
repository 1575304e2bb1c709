"""How fast a change reaches desktops: one role, a thousand simulated desktops; and one desktop that is far behind.

The role is changed over REST as an administrator would. Each desktop is enrolled with keys of its own, has its own
connection and opens and verifies its own page. Time runs from the moment before the request is sent until a desktop
has swapped the row in. Who is far behind is a workstation that catches up from nothing.
"""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, sign_in
from pulse_simulator.desktop import SimulatedDesktop, enrol_desktop
from pulse_simulator.gateway_session import GatewayError, GatewaySession

ENVIRONMENT: Final = {"PULSE_RATE_LIMITS": "off"}
ENROLLING: Final = 8
ANSWER_SECONDS: Final = 60.0
_CATCH_UP_SECONDS: Final = 300.0
_ROLES: Final = """
insert into identity.roles
    (id, name, name_key, description, is_built_in, version, created_at, updated_at, stamp, updated_by, source, revoked)
select gen_random_uuid(), 'bench ' || n, 'bench ' || n, 'Made by a benchmark', false, 1, now(), now(),
       '1700000000000-0000', 'bench', 'web', '{}'
from generate_series(1, $1) as n
"""


@dataclass(frozen=True, slots=True)
class SpreadFigure:
    """Milliseconds from the request that changed a role until it was in force on a desktop; CPU seconds of this process."""

    desktops: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float

    @classmethod
    def of(cls, delays: list[float], cpu_s: float) -> SpreadFigure:
        """Return the figure of these delays in seconds, one for each desktop."""
        ms = sorted(delay * 1000 for delay in delays)
        return cls(len(ms), ms[len(ms) // 2], ms[min(len(ms) - 1, int(len(ms) * 0.99))], ms[-1], cpu_s)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CatchUpFigure:
    """Seconds until a desktop that knew nothing had all rows."""

    rows: int
    pages: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        return asdict(self)


async def measure_spread(stack: Stack, *, desktops: int, changes: int) -> list[SpreadFigure]:
    """Change one role several times and watch it arrive everywhere; one figure for each change. Raises BenchError."""
    async with sign_in(stack) as session, AsyncExitStack() as open_desktops:
        try:
            role = await role_of_admin(session, "bench-crew")
            fleet = await _enrol(session, [f"bench-desk-{n:04}" for n in range(desktops)])
            for desktop in fleet:
                open_desktops.push_async_callback(desktop.disconnect)
                await desktop.connect()
            await _all_have(fleet, role["id"], role["version"])
            return [await _change(session, fleet, role["id"], turn) for turn in range(changes)]
        except GatewayError as error:
            raise BenchError(f"the load could not be prepared: {error}") from error


async def measure_catch_up(stack: Stack, *, rows: int) -> CatchUpFigure:
    """Make `rows` roles while a workstation, which has them all, is away; time its first pull. Raises BenchError."""
    async with sign_in(stack) as session:
        try:
            (desktop,) = await _enrol(session, ["bench-behind"], "workstation")
        except GatewayError as error:
            raise BenchError(f"the desktop could not be enrolled: {error}") from error
        connection = await asyncpg.connect(stack.database_url)
        try:
            await connection.execute(_ROLES, rows)
            await _all_logged(connection, rows)
        finally:
            await connection.close()
        started = time.perf_counter()
        await desktop.connect()
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                await desktop.wait_for_rows("roles", rows)
        except TimeoutError as error:
            raise BenchError(f"{rows} rows were not there within {_CATCH_UP_SECONDS:g} s") from error
        seconds = time.perf_counter() - started
        await desktop.disconnect()
        return CatchUpFigure(rows, desktop.pages, seconds)


async def role_of_admin(session: GatewaySession, name: str) -> dict[str, Any]:
    """Make a role that every desktop needs: the administrator owns them all and holds it. Raises GatewayError."""
    profile = await session.request("GET", "/api/profile")
    role = await session.request("POST", "/api/roles", json={"name": name, "permissions": ["devices:read"]})
    roles = [*profile["roles"], name]
    await session.request("PATCH", f"/api/users/{profile['id']}", json={"roles": roles}, if_match="*")
    return dict(role)


async def _enrol(session: GatewaySession, ids: list[str], kind: str = "desktop") -> list[SimulatedDesktop]:
    keys = (await session.request("GET", "/api/sync/keys"))["keys"]
    places = asyncio.Semaphore(ENROLLING)

    async def one(device_id: str) -> SimulatedDesktop:
        async with places:
            return await enrol_desktop(session, device_id, kind, keys)

    return list(await asyncio.gather(*(one(device_id) for device_id in ids)))


async def change_role(session: GatewaySession, role_id: str, turn: int) -> None:
    """Give the role another permission, or take it away again. Raises GatewayError, BenchError."""
    permissions = ["devices:read", "telemetry:read"] if turn % 2 == 0 else ["devices:read"]
    changed = await session.request("PATCH", f"/api/roles/{role_id}", json={"permissions": permissions}, if_match="*")
    if changed["version"] != turn + 2:
        raise BenchError("somebody else changed the role")


async def _change(session: GatewaySession, fleet: list[SimulatedDesktop], role_id: str, turn: int) -> SpreadFigure:
    cpu, started = time.process_time(), time.perf_counter()
    change = asyncio.create_task(change_role(session, role_id, turn))
    arrivals = await _all_have(fleet, role_id, turn + 2)
    await change
    return SpreadFigure.of([at - started for at in arrivals], time.process_time() - cpu)


async def _all_have(fleet: list[SimulatedDesktop], role_id: str, version: int) -> list[float]:
    async def arrival(desktop: SimulatedDesktop) -> float:
        await desktop.wait_for("roles", role_id, version)
        return time.perf_counter()

    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return list(await asyncio.gather(*(arrival(desktop) for desktop in fleet)))
    except TimeoutError as error:
        late = sum(1 for desktop in fleet if desktop.versions.get(("roles", role_id), -1) < version)
        raise BenchError(f"{late} desktops had not heard of the change within {ANSWER_SECONDS:g} s") from error


async def _all_logged(connection: asyncpg.Connection[asyncpg.Record], rows: int) -> None:
    """Wait until sync's own comparison has taken the roles into its log and the desktop's scope."""
    in_scope = (
        "select count(*) from sync.membership where desktop_id = 'bench-behind' and entity = 'roles' and is_member"
    )
    try:
        async with asyncio.timeout(_CATCH_UP_SECONDS):
            while await connection.fetchval(in_scope) < rows:
                await asyncio.sleep(0.5)
    except TimeoutError as error:
        raise BenchError("the roles did not reach the change log") from error


def raise_file_limit(files: int) -> None:
    """Let this process hold so many connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
