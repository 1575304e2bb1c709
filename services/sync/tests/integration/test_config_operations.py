"""What desktops edit of configuration: once, by the one rule of conflicts, with the rights of whoever edited."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from pulse_chassis.errors import ForbiddenError, InvalidError
from pulse_contracts.configuration import ConfigScope, config_id
from pulse_contracts.operations import OperationOutcome, OutcomeKind
from pulse_contracts.stamps import MAX_AHEAD_MS
from pulse_contracts.streams import AUDIT_STREAM, CONFIG_STREAM
from pulse_sync import app

LEVEL = config_id(ConfigScope.DEVICE, "dev-1", "log.level")
APPLIED, LOST, REJECTED = OutcomeKind.APPLIED, OutcomeKind.CONFLICT_LOST, OutcomeKind.REJECTED


def now_ms(config_world) -> int:
    return int(config_world.clock.now().timestamp() * 1000)


def told(outcome: OperationOutcome) -> tuple[OutcomeKind, Any, int | None]:
    row = outcome.row
    return outcome.outcome, None if row is None else row.fields["value"], None if row is None else row.version


async def owned(config_world, **more: Any) -> tuple[Any, Any]:
    owner = await config_world.person("configurer")
    return owner, await config_world.device("dev-1", owner, **more)


async def test_an_edit_of_what_the_desktop_had_seen_is_applied_and_told_to_all(config_world) -> None:
    owner, desktop = await owned(config_world)
    first = await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"})
    assert told(first) == (APPLIED, "DEBUG", 1)
    assert (first.row.source, first.row.updated_by, first.conflict) == ("desktop", str(owner.id), None)
    # A slow clock's edit of what it has seen is later all the same.
    slow = await config_world.operate(
        desktop, owner, LEVEL, {"value": "ERROR"}, base_version=1, at_ms=now_ms(config_world) - 60_000
    )
    assert told(slow) == (APPLIED, "ERROR", 2)
    assert slow.row.updated_at > first.row.updated_at
    gone = await config_world.operate(desktop, owner, LEVEL, {"deleted": True}, base_version=2)
    assert told(gone) == (APPLIED, None, None)
    assert told(await config_world.operate(desktop, owner, LEVEL, {"deleted": True}, base_version=2))[0] is APPLIED
    config_world.clock.advance(1)
    assert told(await config_world.operate(desktop, owner, LEVEL, {"value": "INFO"})) == (APPLIED, "INFO", 4)
    history = (await owner.get("/device/dev-1/log.level/history"))["items"]
    assert [(c["version"], c["before"], c["after"], c["source"]) for c in history] == [
        (4, None, "INFO", "desktop"),
        (3, "ERROR", None, "desktop"),
        (2, "DEBUG", "ERROR", "desktop"),
        (1, None, "DEBUG", "desktop"),
    ]
    assert [e["version"] for e in await config_world.told(CONFIG_STREAM)] == [1, 2, 3, 4]
    audits = [event for event in await config_world.told(AUDIT_STREAM) if event["action"].startswith("config.")]
    assert [a["action"] for a in audits] == ["config.created", "config.changed", "config.deleted", "config.created"]
    assert audits[0]["actor"] == {"kind": "user", "id": str(owner.id), "name": owner.name}
    assert audits[1]["after"] == {"value": "ERROR", "desktop_id": "dev-1"}
    log = await config_world.db.fetchrow("select version, is_deleted from sync.entry where entity = 'config'")
    assert tuple(log) == (4, False)


async def test_an_operation_that_comes_again_gets_the_same_answer_and_does_nothing(config_world) -> None:
    owner, desktop = await owned(config_world)
    other = await config_world.device("dev-2", owner)
    operation = config_world.operation(desktop, owner, LEVEL, {"value": "DEBUG"})
    apply = app.config_owner(config_world.parts).apply
    outcomes = await asyncio.gather(*(apply(desktop, operation) for _ in range(8)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert told(outcomes[0]) == (APPLIED, "DEBUG", 1)
    await owner.put("device/dev-1/log.level", "INFO", If_Match="*")
    assert await apply(desktop, operation) == outcomes[0]
    stolen = await apply(other, operation)
    assert (stolen.outcome, stolen.code, stolen.row) == (REJECTED, "op_id_taken", None)
    bad = config_world.operation(desktop, owner, LEVEL, {"value": "LOUD"}, base_version=2)
    rejected = await apply(desktop, bad)
    assert (rejected.outcome, rejected.code) == (REJECTED, "invalid_config_value")
    assert told(rejected)[1:] == ("INFO", 2)
    await owner.put("device/dev-1/log.level", "ERROR", If_Match="*")
    assert await apply(desktop, bad) == rejected
    assert (await owner.get("/device/dev-1/log.level/history"))["total"] == 3


@pytest.mark.parametrize(
    ("later", "kind", "winner"), [(1, APPLIED, "desktop"), (-1, LOST, "server"), (0, LOST, "server")]
)
async def test_of_two_edits_the_later_one_stands_and_the_loser_is_kept_whole(
    config_world, later: int, kind: OutcomeKind, winner: str
) -> None:
    owner, desktop = await owned(config_world)
    await owner.put("device/dev-1/log.level", "INFO")
    config_world.clock.advance(10)
    await owner.put("device/dev-1/log.level", "WARNING", If_Match="*")
    config_world.clock.advance(10)
    at_ms = now_ms(config_world) - 10_000 + later
    outcome = await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"}, base_version=1, at_ms=at_ms)
    stands = "DEBUG" if winner == "desktop" else "WARNING"
    assert told(outcome) == (kind, stands, 3 if winner == "desktop" else 2)
    conflict = outcome.conflict
    assert (conflict.winner, conflict.desktop_fields, conflict.server_fields) == (
        winner,
        {"value": "DEBUG"},
        {"value": "WARNING"},
    )
    assert conflict.server_updated_by == str(owner.id)
    assert conflict.applied == (["value"] if winner == "desktop" else [])
    assert (await owner.ask("GET", "/api/config/device/dev-1/log.level")).json()["value"] == stands


async def test_a_deletion_wins_whichever_side_made_it(config_world) -> None:
    owner, desktop = await owned(config_world)
    await owner.put("device/dev-1/log.level", "INFO")
    config_world.clock.advance(10)
    await owner.put("device/dev-1/log.level", "WARNING", If_Match="*")
    # On the desktop, before the web's edit: what was set there is kept in the conflict.
    earlier = now_ms(config_world) - 5_000
    outcome = await config_world.operate(desktop, owner, LEVEL, {"deleted": True}, base_version=1, at_ms=earlier)
    assert told(outcome) == (APPLIED, None, None)
    assert (outcome.conflict.winner, outcome.conflict.server_fields) == ("desktop", {"value": "WARNING"})
    # On the web: a later edit of the value that was deleted is lost.
    await owner.put("device/dev-1/log.level", "INFO")
    await owner.ask("DELETE", "/api/config/device/dev-1/log.level", If_Match="*")
    config_world.clock.advance(10)
    late = await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"}, base_version=4)
    assert told(late) == (LOST, None, None)
    assert late.conflict.winner == "server"
    # And one that was made anew before the deletion; not one after it.
    before = now_ms(config_world) - 20_000
    assert told(await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"}, at_ms=before))[0] is LOST
    assert told(await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"})) == (APPLIED, "DEBUG", 6)


async def test_a_clock_that_is_far_ahead_does_not_win_for_ever(config_world) -> None:
    owner, desktop = await owned(config_world)
    ahead = now_ms(config_world) + MAX_AHEAD_MS + 60_000
    outcome = await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"}, at_ms=ahead)
    assert int(outcome.row.updated_at[:13]) == now_ms(config_world)
    config_world.clock.advance(1)
    assert (await owner.put("device/dev-1/log.level", "INFO", If_Match="*")).json()["version"] == 2
    stale = await config_world.operate(desktop, owner, LEVEL, {"value": "DEBUG"}, base_version=1, at_ms=ahead - 70_000)
    assert told(stale) == (APPLIED, "DEBUG", 3)


async def test_what_may_not_be_is_rejected_with_its_reason_and_changes_nothing(config_world) -> None:
    owner, desktop = await owned(config_world)
    stranger, operator = await config_world.person("configurer"), await config_world.person("operator")
    reader, gone = await config_world.person("configurer"), await config_world.person("configurer")
    await config_world.share("dev-1", reader, "read")
    await config_world.share("dev-1", operator, "control")
    await config_world.share("dev-1", gone, "control")
    await config_world.db.execute("update identity.users set is_active = false where id = $1", gone.id)
    await config_world.device("dev-2", owner)
    debug = {"value": "DEBUG"}
    cases: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("invalid_id", owner, "device/dev-1/LEVEL", debug),
        ("invalid_fields", owner, LEVEL, {}),
        ("invalid_fields", owner, LEVEL, {"value": "DEBUG", "deleted": True}),
        ("invalid_fields", owner, LEVEL, {"value": "DEBUG", "more": 1}),
        ("invalid_config_value", owner, LEVEL, {"value": None}),
        ("invalid_config_value", owner, LEVEL, {"value": "LOUD"}),
        ("unknown_config_key", owner, "device/dev-1/custom.unheard", {"value": 1}),
        ("not_a_workstation", owner, "all//log.level", debug),
        ("not_a_workstation", owner, "group/hall/log.level", debug),
        ("not_a_workstation", owner, "device/dev-2/log.level", debug),
        ("actor_out_of_scope", stranger, LEVEL, debug),
        ("forbidden", operator, LEVEL, debug),
        ("device_control_needed", reader, LEVEL, debug),
        ("user_inactive", gone, LEVEL, debug),
    ]
    for code, actor, row_id, fields in cases:
        outcome = await config_world.operate(desktop, actor, row_id, fields)
        assert (outcome.outcome, outcome.code, outcome.row) == (REJECTED, code, None)
        assert outcome.detail
    assert await config_world.db.fetchval("select count(*) from sync.config_entry") == 0
    assert await config_world.db.fetchval("select count(*) from sync.config_operation") == len(cases)


async def test_a_workstation_configures_what_its_user_may(config_world) -> None:
    owner, desktop = await owned(config_world, is_workstation=True)
    admin, stranger = await config_world.person("admin"), await config_world.person("configurer")
    await config_world.device("dev-2", owner)
    await config_world.device("dev-3", stranger)
    debug = {"value": "DEBUG"}
    for row_id in ("all//log.level", "group/hall/log.level", "device/dev-2/log.level", LEVEL):
        assert told(await config_world.operate(desktop, owner, row_id, debug)) == (APPLIED, "DEBUG", 1)
    refused = await config_world.operate(desktop, owner, "device/dev-3/log.level", debug)
    assert (refused.outcome, refused.code) == (REJECTED, "actor_out_of_scope")
    assert told(await config_world.operate(desktop, admin, "device/dev-3/log.level", debug)) == (APPLIED, "DEBUG", 1)


async def test_the_lost_side_is_restored_as_a_new_edit_by_whoever_may(config_world) -> None:
    owner, _ = await owned(config_world)
    stranger = await config_world.person("configurer")
    restore = app.config_owner(config_world.parts).restore
    await owner.put("device/dev-1/log.level", "INFO")
    await restore(owner.id, LEVEL, {"value": "DEBUG"})
    entry = (await owner.ask("GET", "/api/config/device/dev-1/log.level")).json()
    assert (entry["value"], entry["version"], entry["source"]) == ("DEBUG", 2, "web")
    await restore(owner.id, LEVEL, {"deleted": True})
    await restore(owner.id, LEVEL, {"value": "ERROR"})
    assert (await owner.ask("GET", "/api/config/device/dev-1/log.level")).json()["version"] == 4
    with pytest.raises(InvalidError):
        await restore(owner.id, LEVEL, {"value": "LOUD"})
    with pytest.raises(InvalidError):
        await restore(owner.id, "nothing", {"value": "INFO"})
    with pytest.raises(ForbiddenError):
        await restore(uuid4(), LEVEL, {"value": "INFO"})
    with pytest.raises(Exception, match="no such device"):
        await restore(stranger.id, LEVEL, {"value": "INFO"})
