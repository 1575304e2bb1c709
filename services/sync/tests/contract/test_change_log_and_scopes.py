"""What every change log and scope reader promises: one suite over PostgreSQL and over memory."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.sync import LEASE_TYPE, Lease, Page, digest_sum, row_digest
from pulse_sync.use_cases import serve_pull
from pulse_sync.use_cases.absorb_changes import Hints


def named(pages: list[Page]) -> list[tuple[str, str, bool]]:
    return [(row.entity, row.id, row.deleted) for page in pages for row in page.rows]


async def small_site(world: Any) -> None:
    """Ann (operator) may use D-1, Bob (viewer) D-2."""
    for device_id, group in (("D-1", "hall"), ("D-2", "yard")):
        await world.add_desktop(device_id, group, is_workstation=False)
    await world.put(
        world.permission("devices:read"),
        world.role("operator", permissions=["devices:read", "commands:send"]),
        world.role("viewer", permissions=["devices:read"]),
        world.user("ann", roles=["operator"]),
        world.user("bob", roles=["viewer"]),
    )
    await world.grant("ann", "D-1")
    await world.grant("bob", "D-2")
    await world.absorb.compare()


async def test_a_desktop_gets_its_scope_and_nothing_else_in_the_order_of_reference(world: Any) -> None:
    await small_site(world)

    assert named(await world.pull_all("D-1")) == [
        ("permissions", "devices:read", False),
        ("roles", world.uid("operator"), False),
        ("users", world.uid("ann"), False),
    ]
    assert named(await world.pull_all("D-2"))[1:] == [
        ("roles", world.uid("viewer"), False),
        ("users", world.uid("bob"), False),
    ]


async def test_cursors_are_given_without_gaps_and_a_pull_goes_on_where_it_ended(world: Any) -> None:
    await small_site(world)
    first = (await world.pull_all("D-1"))[-1]
    assert first.checkpoint == first.head == 6  # five rows, and one for all the scopes

    await world.put(world.user("ann", 2, roles=["operator"], email="ann@example.org"))
    await world.absorb(Hints(rows=frozenset({("users", world.uid("ann"))})))
    (page,) = await world.pull_all("D-1", since=first.checkpoint)

    assert page.checkpoint == 7
    assert [row.fields["email"] for row in page.rows] == ["ann@example.org"]
    assert named(await world.pull_all("D-2", since=first.checkpoint)) == []


async def test_a_change_twice_told_is_written_once(world: Any) -> None:
    await small_site(world)
    hints = Hints(rows=frozenset({("users", world.uid("ann"))}))
    await world.put(world.user("ann", 2, roles=["operator"]))
    await world.absorb(hints)
    head = (await world.scopes.standing("D-1")).head
    await world.absorb(hints)
    assert (await world.scopes.standing("D-1")).head == head
    assert await world.absorb.compare() == 0
    assert (await world.scopes.standing("D-1")).head == head


async def test_a_lost_event_heals_at_the_comparison(world: Any) -> None:
    await small_site(world)
    await world.put(world.user("ann", 5, roles=["operator"]))
    await world.drop(world.user("bob"))
    assert await world.absorb.compare() == 2
    assert named(await world.pull_all("D-2", since=6)) == [
        ("roles", world.uid("viewer"), True),
        ("users", world.uid("bob"), True),
    ]


async def test_a_row_that_leaves_the_scope_ends_there_once_and_tells_nothing_of_its_later_life(world: Any) -> None:
    await small_site(world)
    await world.grant("ann", "D-2")
    await world.absorb(Hints(users=frozenset({world.uid("ann")})))
    since = (await world.pull_all("D-2"))[-1].checkpoint
    await world.withdraw("ann", "D-2")
    await world.absorb(Hints(desktops=frozenset({"D-2"})))

    pages = await world.pull_all("D-2", since=since)
    gone = [row for page in pages for row in page.rows]
    assert [(row.entity, row.deleted, row.version, row.fields) for row in gone] == [
        ("roles", True, 0, {}),
        ("users", True, 0, {}),
    ]
    assert [(r.user_id, r.reason) for r in pages[0].revocations] == [(world.uid("ann"), "out_of_scope")]
    assert named(await world.pull_all("D-1", since=since)) == []

    await world.put(world.user("ann", 2, roles=["operator"]))
    await world.absorb.compare()
    assert named(await world.pull_all("D-2", since=pages[-1].checkpoint)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.put(w.user("ann", 2, roles=["operator"], is_active=False)), "disabled"),
        (lambda w: w.put(w.user("ann", 2, roles=["operator"], revoked={"password": 2})), "password_changed"),
        (lambda w: w.put(w.user("ann", 2)), "permissions_changed"),
        (lambda w: w.put(w.role("operator", 2, permissions=["devices:read"])), "permissions_changed"),
        (lambda w: w.drop(w.user("ann")), "deleted"),
        # Disabled and enabled again before anybody looked: the lease of before is void all the same.
        (lambda w: w.put(w.user("ann", 3, roles=["operator"], revoked={"is_active": 2})), "disabled"),
        (lambda w: w.put(w.role("operator", 3, permissions=["devices:read", "commands:send"],
                                revoked={"permissions:commands:send": 2})), "permissions_changed"),
    ],
)  # fmt: skip
async def test_what_takes_something_away_is_a_revocation_on_the_first_page(
    world: Any, change: Any, reason: str
) -> None:
    await small_site(world)
    await change(world)
    await world.absorb.compare()
    first = (await world.pull_all("D-1", since=6))[0]
    assert [(r.no, r.user_id, r.reason) for r in first.revocations] == [(1, world.uid("ann"), reason)]
    other = (await world.pull_all("D-2", since=6))[0]
    assert other.revocations == []


async def test_whoever_is_revoked_and_still_there_gets_a_new_lease_with_the_same_page(world: Any) -> None:
    await small_site(world)
    await world.put(world.role("operator", 2, permissions=["devices:read"]))
    await world.absorb.compare()
    (page,) = await world.pull_all("D-1", since=6, revocation_no=0)

    keys = TrustedKeys([world.signing_key.public_jwk()])
    lease = Lease.model_validate_json(keys.open(page.leases[world.uid("ann")], LEASE_TYPE))
    assert (lease.aud, lease.username, lease.roles, lease.rev) == ("D-1", "ann", ["operator"], 1)
    assert lease.permissions == ["devices:read"]
    assert lease.exp - lease.iat == 7 * 24 * 3600
    assert (await world.page("D-1", since=page.checkpoint, revocation_no=1)).leases == {}


async def test_revocations_fill_the_first_pages_and_rows_come_after_the_last_of_them(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_pull, "MAX_PAGE_REVOCATIONS", 2)
    names = [f"u{n}" for n in range(5)]
    await world.add_desktop("D-1")
    await world.put(world.role("operator", permissions=["p"]), *(world.user(n, roles=["operator"]) for n in names))
    for name in names:
        await world.grant(name, "D-1")
    await world.absorb.compare()
    since = (await world.pull_all("D-1"))[-1].checkpoint
    await world.put(world.role("operator", 2))
    await world.absorb.compare()

    pages = await world.pull_all("D-1", since=since)
    assert [len(page.revocations) for page in pages] == [2, 2, 1]
    assert [len(page.rows) for page in pages] == [0, 0, 6]
    assert [r.no for page in pages for r in page.revocations] == [1, 2, 3, 4, 5]
    assert set(pages[-1].leases) == {world.uid(name) for name in names}

    # What is revoked while a pull lasts comes with the next one, and with it the row that brings the new lease.
    first = await world.page("D-1", since=since)
    await world.put(world.user("u0", 2, roles=["operator"], revoked={"password": 2}))
    await world.absorb.compare()
    rest = []
    while (rest or [first])[-1].next is not None:
        last = (rest or [first])[-1]
        rest.append(await world.page("D-1", since=since, after=last.next, checkpoint=last.checkpoint))
    assert max(r.no for page in rest for r in page.revocations) == 5
    later = await world.pull_all("D-1", since=first.checkpoint, revocation_no=5)
    assert [(r.no, r.reason) for page in later for r in page.revocations] == [(6, "password_changed")]
    assert set(later[-1].leases) == {world.uid("u0")}


async def test_leases_are_renewed_on_demand_and_withheld_while_identity_is_away(world: Any) -> None:
    await small_site(world)
    since = (await world.pull_all("D-1"))[-1].checkpoint
    (renewed,) = await world.pull_all("D-1", since=since, renew_leases=True)
    assert set(renewed.leases) == set(renewed.verifiers) == {world.uid("ann")}

    world.verifiers.is_away = True
    (withheld,) = await world.pull_all("D-1", since=since, renew_leases=True)
    assert [row.id for row in withheld.rows] == [world.uid("ann")]
    assert withheld.leases == withheld.verifiers == {}


async def test_somebody_who_is_disabled_gets_no_lease(world: Any) -> None:
    await small_site(world)
    await world.put(world.user("ann", 2, roles=["operator"], is_active=False))
    await world.absorb.compare()
    page = (await world.pull_all("D-1"))[-1]
    assert page.leases == page.verifiers == {}


async def test_the_checksum_is_that_of_the_rows_and_absent_while_the_log_moves(world: Any) -> None:
    await small_site(world)
    (page,) = await world.pull_all("D-1", mode="snapshot")
    digests: dict[str, list[int]] = {}
    for row in page.rows:
        digests.setdefault(row.entity, []).append(row_digest(row.entity, row.id, row.version, row.fields))
    expected = {entity: (len(found), digest_sum(found)) for entity, found in digests.items()}
    assert page.checksum == {**expected, "config": (0, digest_sum([]))}

    late = await world.page("D-1", since=page.checkpoint - 1, checkpoint=page.checkpoint - 1, after="0.0.0.0.3.x")
    assert (late.checksum, late.head) == (None, page.checkpoint)


async def test_config_reaches_those_it_is_for_and_leaves_with_its_end(world: Any) -> None:
    await small_site(world)
    since = (await world.pull_all("D-1"))[-1].checkpoint
    ids = ["all//log.level", "device/D-1/telemetry.interval_ms", "group/hall/custom.x", "group/yard/custom.x"]
    await world.write_config(*(world.config(row_id, 1) for row_id in ids))
    assert [row.id for page in await world.pull_all("D-1", since=since) for row in page.rows] == ids[:3]
    assert [row.id for page in await world.pull_all("D-2", since=since) for row in page.rows] == [ids[0], ids[3]]

    since = (await world.pull_all("D-1", since=since))[-1].checkpoint
    await world.write_config(world.config("all//log.level", None, 2, is_deleted=True))
    await world.absorb.compare()
    assert named(await world.pull_all("D-1", since=since)) == [("config", "all//log.level", True)]

    await world.add_desktop("D-1", "yard", is_workstation=False)
    await world.absorb(Hints(desktops=frozenset({"D-1"})))
    pages = await world.pull_all("D-1", since=since + 2)
    assert named(pages) == [("config", ids[2], True), ("config", ids[3], False)]


async def test_numbers_keep_their_digest_on_the_way_through_the_database(world: Any) -> None:
    await small_site(world)
    values = [1e22, -0.0, 1e-7, 1.0, 2**60, 0.1, [1e16, "é\u2028"], {"b": 1, "a": None}]
    await world.write_config(*(world.config(f"all//custom.n{n}", value) for n, value in enumerate(values)))
    pages = await world.pull_all("D-1", mode="snapshot")
    found = [row for page in pages for row in page.rows if row.entity == "config"]
    sums = digest_sum(row_digest(row.entity, row.id, row.version, row.fields) for row in found)
    assert pages[-1].checksum is not None
    assert pages[-1].checksum["config"] == (len(values), sums)


async def test_who_is_too_far_behind_or_ahead_needs_a_snapshot(world: Any) -> None:
    await small_site(world)
    assert (await world.page("D-1", since=99)).code == "snapshot_needed"
    await world.drop(world.user("bob"))
    await world.absorb.compare()
    world.clock.advance(181 * 24 * 3600)
    await world.absorb.compare()
    head = (await world.scopes.standing("D-1")).head
    assert (await world.page("D-1", since=1)).code == "snapshot_needed"
    assert (await world.page("D-1", since=head)).type == "page"
    assert (await world.page("D-1", since=0)).type == "page"
    assert named(await world.pull_all("D-2", mode="snapshot", since=1)) == [("permissions", "devices:read", False)]


async def test_a_page_that_nobody_gave_out_is_refused(world: Any) -> None:
    await small_site(world)
    for asked in (
        {"after": "x", "checkpoint": 1},
        {"after": "0.0.0.0.9.x", "checkpoint": 1},
        {"after": "0.0.0.0.1.x"},
        {"checkpoint": 1},
    ):
        assert (await world.page("D-1", **asked)).code == "bad_message"


async def test_pages_are_cut_and_hold_every_row_once(world: Any) -> None:
    await world.add_desktop("D-1")
    names = [f"u{n:04d}" for n in range(700)]
    await world.put(world.role("viewer"), *(world.user(name, roles=["viewer"]) for name in names))
    for name in names:
        if hasattr(world, "owned"):
            await world.grant(name, "D-1")
    if hasattr(world, "execute"):
        await world.execute(
            "insert into identity.stub_access values ($1, 'D-1', 'read')", [(world.uid(name),) for name in names]
        )
    await world.absorb.compare()
    pages = await world.pull_all("D-1")
    told = named(pages)
    assert len(told) == len(set(told)) == 701
    assert [entity for entity, _, _ in told] == sorted(entity for entity, _, _ in told)
    assert len(pages) > 5  # a lease and a verifier for each user take their room
    assert all(len(page.model_dump_json()) < 256 * 1024 for page in pages)
    assert {user for page in pages for user in page.leases} == {world.uid(name) for name in names}
    assert len(named(await world.pull_all("D-1", since=1))) == 701


async def test_a_desktop_that_goes_is_forgotten(world: Any) -> None:
    await small_site(world)
    await world.remove_desktop("D-2")
    await world.absorb(Hints(desktops=frozenset({"D-2"})))
    standing = await world.scopes.standing("D-2")
    assert (standing.desktop, standing.is_scoped) == (None, False)
    assert named(await world.pull_all("D-2")) == []
