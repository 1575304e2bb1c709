"""What only a real database can show: order under concurrency, no leak between scopes, a large snapshot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_chassis.errors import UnavailableError
from pulse_contracts.sync import MAX_PAGE_ROWS, Page, Report
from pulse_sync import app
from pulse_sync.storage.change_log import append
from pulse_sync.storage.scope_reader import PostgresScopeReader
from pulse_sync.use_cases.absorb_changes import Hints
from pulse_sync.use_cases.ports import Rescoped

WRITERS = 20
ROWS = 5_000


async def test_cursors_are_in_commit_order_and_without_gaps_under_concurrent_writers(postgres_world: Any) -> None:
    world = postgres_world
    await world.add_desktop("D-1")
    await world.absorb.compare()
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(10):
            async with world.database.transaction() as session:
                row = world.config(f"all//custom.w{writer}n{number}", number)
                await append(session, [row], world.clock.now())
                await asyncio.sleep(0)  # Others get their turn while this transaction is open.

    async def follow() -> dict[str, int]:
        """Pull again and again; what a pull passed over would never come."""
        seen: dict[str, int] = {}
        since, is_last = 0, False
        while not is_last:
            is_last = done.is_set()
            for page in await world.pull_all("D-1", since=since):
                seen |= {row.id: page.checkpoint for row in page.rows}
            since = page.checkpoint
        return seen

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    done.set()
    seen = await following
    assert len(seen) == WRITERS * 10

    rows = await world.pool.fetch("select cursor from sync.entry union all select distinct cursor from sync.membership")
    cursors = sorted(row["cursor"] for row in rows)
    assert cursors == list(range(1, len(cursors) + 1))
    assert (await world.scopes.standing("D-1")).head == len(cursors)


USERS = tuple(f"u{n}" for n in range(5))
DESKTOPS = ("D-1", "D-2", "D-3")
accesses = st.sets(st.tuples(st.sampled_from(USERS), st.sampled_from(DESKTOPS)))
holdings = st.fixed_dictionaries({name: st.sets(st.sampled_from(["r1", "r2", "r3"])) for name in USERS})


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(matrices=st.lists(st.tuples(accesses, holdings), min_size=1, max_size=3))
def test_a_page_never_holds_a_row_of_anothers_scope(
    postgres_world: Any, event_loop_runner: Any, matrices: list[Any]
) -> None:
    event_loop_runner(postgres_world, matrices)


@pytest.fixture
def event_loop_runner() -> Any:
    """Run one example in a loop of its own, over connections of its own."""

    def run(world: Any, matrices: list[Any]) -> None:
        asyncio.run(world.again(lambda fresh: check_matrices(fresh, matrices)))

    return run


async def check_matrices(world: Any, matrices: list[Any]) -> None:
    held: dict[str, dict[tuple[str, str], Any]] = {device_id: {} for device_id in DESKTOPS}
    since = dict.fromkeys(DESKTOPS, 0)
    for device_id in DESKTOPS:
        await world.add_desktop(device_id)
    await world.put(*(world.role(name, permissions=["devices:read"]) for name in ("r1", "r2", "r3")))
    for version, (access, roles) in enumerate(matrices, start=1):
        await world.put(*(world.user(name, version, roles=roles[name]) for name in USERS))
        await world.set_access(access)
        await world.absorb.compare()
        for device_id in DESKTOPS:
            users = {name for name, device in access if device == device_id}
            allowed = {("users", world.uid(name)) for name in users}
            allowed |= {("roles", world.uid(role)) for name in users for role in roles[name]}
            pages = await world.pull_all(device_id, since=since[device_id])
            check_pages(pages, allowed)
            since[device_id] = pages[-1].checkpoint
            for page in pages:
                for row in page.rows:
                    if row.deleted:
                        held[device_id].pop((row.entity, row.id), None)
                    else:
                        held[device_id][row.entity, row.id] = row
            assert set(held[device_id]) == allowed


def check_pages(pages: list[Page], allowed: set[tuple[str, str]]) -> None:
    for page in pages:
        assert {(row.entity, row.id) for row in page.rows if not row.deleted} <= allowed
        assert all(row.fields == {} for row in page.rows if row.deleted)
        assert {("users", user) for user in (*page.leases, *page.verifiers)} <= allowed


changes = st.lists(
    st.one_of(
        st.tuples(st.just("role"), st.sampled_from(["r1", "r2", "r3"]), st.booleans()),
        st.tuples(st.just("permission"), st.sampled_from(["a:read", "b:read"]), st.booleans()),
        st.tuples(st.just("user"), st.sampled_from(USERS[:3]), st.sets(st.sampled_from(["r1", "r2", "r3"]))),
        st.tuples(st.just("access"), st.sampled_from(USERS[:3]), st.sampled_from(DESKTOPS)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=changes, is_apart=st.booleans())
def test_what_followed_from_the_rows_alone_is_all_that_a_look_at_everything_finds(
    postgres_world: Any, made: list[Any], is_apart: bool
) -> None:
    asyncio.run(postgres_world.again(lambda fresh: check_narrow_looks(fresh, made, is_apart)))


async def check_narrow_looks(world: Any, made: list[Any], is_apart: bool) -> None:
    """Make changes, absorbed one by one or all at once by what events say; then look at everything."""
    for device_id in DESKTOPS:
        await world.add_desktop(device_id, is_workstation=device_id == "D-3")
    await world.absorb.compare()
    rows: set[tuple[str, str]] = set()
    users: set[str] = set()
    there: set[tuple[str, str]] = set()
    for version, (kind, name, what) in enumerate(made, start=1):
        if kind == "access":
            await (world.withdraw if (name, what) in there else world.grant)(name, what)
            there ^= {(name, what)}
            users.add(world.uid(name))
        elif kind == "user":
            await world.put(row := world.user(name, version, roles=what))
            rows.add(row.key)
        else:
            row = world.permission(name) if kind == "permission" else world.role(name, version)
            await (world.put if what else world.drop)(row)
            rows.add(row.key)
        if is_apart:
            await world.absorb(Hints(rows=frozenset(rows), users=frozenset(users)))
            rows, users = set(), set()
    await world.absorb(Hints(rows=frozenset(rows), users=frozenset(users)))
    async with world.log.writing() as writer:
        found = await writer.rescope(None, world.clock.now())
    assert found == Rescoped()


async def test_many_who_ask_at_once_are_each_told_what_they_would_be_told_alone(postgres_world: Any) -> None:
    world = postgres_world
    desktops = [f"D-{n}" for n in range(12)]
    for n, device_id in enumerate(desktops):
        await world.add_desktop(device_id, f"g{n % 3}", is_workstation=n % 5 == 0)
    await world.put(*(world.role(f"r{n}", permissions=["devices:read"]) for n in range(6)))
    await world.put(*(world.user(f"u{n}", roles=[f"r{n % 6}", f"r{n % 2}"]) for n in range(8)))
    for n, device_id in enumerate(desktops):
        await world.grant(f"u{n % 8}", device_id)
        await world.grant(f"u{n * 3 % 8}", device_id)
    await world.absorb.compare()
    before = (await world.scopes.standing("D-0")).head
    await world.write_config(*(world.config(f"group/g{n}/custom.k", n) for n in range(3)))
    await world.put(*(world.user(f"u{n}", 2, roles=[f"r{n % 2}"]) for n in range(0, 8, 2)))
    await world.withdraw("u1", "D-1")
    await world.absorb.compare()

    asked = [
        {"since": (0, 1, before, before + 1, before + 2)[n % 5], "revocation_no": n % 3, "renew_leases": n % 4 == 1}
        for n in range(len(desktops))
    ]
    alone = [await world.pull_all(device_id, **ask) for device_id, ask in zip(desktops, asked, strict=True)]
    together = await asyncio.gather(
        *(world.pull_all(device_id, **ask) for device_id, ask in zip(desktops, asked, strict=True))
    )
    for first, second in zip(alone, together, strict=True):
        assert [bare(page) for page in first] == [bare(page) for page in second]
    assert any(page.revocations for pages in together for page in pages)


def bare(page: Page) -> dict[str, Any]:
    """Return a page without its signatures, of which no two are alike."""
    return {**page.model_dump(), "leases": sorted(page.leases)}


async def test_a_report_that_no_database_takes_spoils_no_others(postgres_world: Any) -> None:
    world = postgres_world
    reports = [("D-1", Report(cursor=1)), ("D-2", Report(cursor=2, error="bad \x00 text")), ("D-3", Report(cursor=3))]
    reports += [("D-1", Report(cursor=4, error="disk full")), ("D-1", Report(cursor=5))]
    told = await asyncio.gather(
        *(world.book.note_report(device_id, report, world.clock.now()) for device_id, report in reports),
        return_exceptions=True,
    )
    assert [isinstance(answer, Exception) for answer in told] == [False, True, False, False, False]
    found = await world.pool.fetch("select device_id, cursor, error from sync.desktop order by 1")
    assert [tuple(row) for row in found] == [("D-1", 5, None), ("D-3", 3, None)]
    assert await world.lines() == [("down", "failed", "disk full")]


@pytest.mark.slow
async def test_a_large_snapshot_comes_whole_in_pages_of_the_allowed_size(postgres_world: Any) -> None:
    world = postgres_world
    await world.add_desktop("D-1")
    await world.absorb.compare()
    for start in range(0, ROWS, 500):
        rows = (world.config(f"device/D-1/custom.k{n:06d}", n) for n in range(start, start + 500))
        await world.write_config(*rows)
    pages = await world.pull_all("D-1", mode="snapshot")
    assert sum(len(page.rows) for page in pages) == ROWS
    assert max(len(page.rows) for page in pages) <= MAX_PAGE_ROWS
    assert pages[-1].checksum is not None
    assert pages[-1].checksum["config"][0] == ROWS


async def test_before_identity_has_published_anything_sync_waits(
    postgres_database: dict[str, str], sync_settings: Any
) -> None:
    given = sync_settings(postgres_database)
    await app.migrate(given)
    async with app.open_parts(given) as parts:
        for attempt in (app.make_absorb(parts).compare(), PostgresScopeReader(parts.pool).standing("D-1")):
            with pytest.raises(UnavailableError) as refused:
                await attempt
            assert refused.value.code == "views_unavailable"
