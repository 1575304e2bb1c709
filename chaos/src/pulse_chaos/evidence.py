"""Finds out what became of a run: from the table, the oracle, the ledger, the workstation's replica, logs and processes.

It asks views, files and the owner's rights on the database, never the code under test. What cannot be read is written
down as unanswered.
"""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_chaos.invariants import CommandFate, Evidence
from pulse_chaos.requests import conflicts_of
from pulse_chaos.scene import Scene
from pulse_local.readiness import unreadiness
from pulse_simulator.embedded_stack import EmbeddedStackError, run_pulse
from pulse_simulator.gateway_session import GatewayError
from pulse_simulator.oracle import OracleRecord, Verdict, compare

_ORDER: Final = """
select distinct client_id, epoch, sequence_no, (extract(epoch from recorded_at) * 1000000)::bigint as us
from telemetry.telemetry_data where client_id = any($1) and epoch > 0 order by client_id, epoch, sequence_no
"""
_HOLES: Final = """
select distinct on (client_id) client_id, missing from telemetry.completeness
where client_id = any($1) order by client_id, epoch desc
"""
_LOST_EDITS: Final = """
select op_id::text from identity.applied_operations
where desktop_id = $1 and outcome ->> 'outcome' = 'conflict_lost'
"""
_ENTITY_TABLES: Final = ("users", "roles")
_SHORTEST_SECRET: Final = 12


async def gather(scene: Scene, since: float) -> Evidence:
    """Return what is known now; `since` is when the run began, in Unix seconds."""
    evidence = Evidence()
    for find_out in (_readings, _order, _commands, _edits, _parts):
        try:
            await find_out(scene, evidence, since)
        except (*DATABASE_ERRORS, sqlite3.Error, GatewayError) as error:
            evidence.unanswered.append(f"{find_out.__name__.strip('_')} could not be read: {error!r}")
    await _audit(scene, evidence)
    evidence.leaks, evidence.secrets_known = await asyncio.to_thread(_leaks, scene)
    evidence.uncommitted_acks = list(scene.probe.uncommitted)
    evidence.acks_seen = scene.probe.seen
    evidence.most_memory_mib = dict(scene.timeline.most_memory_mib)
    return evidence


def witnessed(scene: Scene) -> OracleRecord:
    """Return what the oracle of the crowd and of its clone say."""
    files = [scene.crowd.oracle] + ([scene.clone.oracle] if scene.clone is not None else [])
    return OracleRecord.read(files)


def _only(record: OracleRecord, wanted: Iterable[str]) -> OracleRecord:
    names = set(wanted)
    return OracleRecord(
        {key: value for key, value in record.intended.items() if key[0] in names},
        {key: seq for key, seq in record.accepted.items() if key[0] in names},
        record.unreadable,
        record.repeated,
    )


async def _readings(scene: Scene, evidence: Evidence, _since: float) -> None:
    record = witnessed(scene)
    agents = set(scene.crowd.agent_ids)
    others = {key[0] for key in record.intended} - agents
    verdicts = {
        "agents": await compare(_only(record, agents), scene.site.stack.database_url),
        "plain": await compare(_only(record, others), scene.site.stack.database_url),
    }
    for kind, verdict in verdicts.items():
        _add(evidence, verdict, may_lose=kind == "plain" and scene.loses_plain)
    evidence.missing_of_agents = verdicts["agents"].missing
    names = [*agents, *others, scene.intruder.device_id]
    rows = await scene.site.stack.fetch("select count(*) from telemetry.rejected where client_id = any($1)", names)
    evidence.rejected = int(rows[0][0])
    for row in await scene.site.stack.fetch(_HOLES, list(agents)):
        if row["missing"]:
            evidence.holes.append(f"{row['client_id']} lacks {row['missing']}")


def _add(evidence: Evidence, verdict: Verdict, *, may_lose: bool) -> None:
    counts = asdict(verdict)
    evidence.accepted += verdict.accepted
    evidence.persisted += verdict.persisted
    evidence.declared_lost += verdict.declared_lost
    for kind, into in (
        ("missing", evidence.missing),
        ("duplicates", evidence.duplicates),
        ("unexpected", evidence.foreign),
        ("wrong_value", evidence.foreign),
    ):
        if kind == "missing" and may_lose:
            evidence.lost_in_broker += counts[kind]
            continue
        examples = verdict.examples.get(kind, [])
        into.extend(f"{kind} {name}" for name in examples)
        into.extend([f"{kind}, not named"] * (counts[kind] - len(examples)))


async def _order(scene: Scene, evidence: Evidence, _since: float) -> None:
    if scene.breaks_order:
        return
    before: tuple[str, int] | None = None
    last = 0
    for row in await scene.site.stack.fetch(_ORDER, scene.crowd.agent_ids):
        group = (row["client_id"], row["epoch"])
        if group == before and row["us"] <= last:
            evidence.disorder.append(f"{group[0]} epoch {group[1]} sequence {row['sequence_no']}")
        before, last = group, row["us"]


async def command_fates(scene: Scene) -> list[CommandFate]:
    """Return what became of the run's commands, and of those that the workstation did without the server's knowing."""
    site = scene.site
    rows = await site.stack.fetch(
        "select id::text, state from commands.command_view where device_id = $1", site.workstation.device_id
    )
    noted, last, good = site.workstation.noted(), site.workstation.noted_last(), scene.requests.good_until
    fates = [
        CommandFate(
            row["id"],
            row["state"],
            noted[row["id"]],
            max(0.0, last.get(row["id"], 0.0) - good.get(row["id"], math.inf)),
        )
        for row in rows
        # Not by when they were made: that is the service's clock, which may be what the run sets wrong.
        if row["id"] not in scene.requests.earlier_commands
    ]
    known = {row["id"] for row in rows}
    return fates + [CommandFate(jti, "unheard-of", times) for jti, times in noted.items() if jti not in known]


async def _commands(scene: Scene, evidence: Evidence, _since: float) -> None:
    evidence.commands = await command_fates(scene)


async def _edits(scene: Scene, evidence: Evidence, _since: float) -> None:
    desk = scene.site.workstation.device_id
    evidence.unanswered_edits, evidence.differing_rows = await differences(scene)
    evidence.lost_edits = [row[0] for row in await scene.site.stack.fetch(_LOST_EDITS, desk)]
    logged = await scene.site.stack.fetch("select op_id::text from sync.sync_conflict where desktop_id = $1", desk)
    evidence.logged_losers = [row[0] for row in logged]
    evidence.conflicts = len(set(await conflicts_of(scene.site)) - scene.requests.earlier_edits)
    evidence.wants_conflict = scene.wants_conflict


async def differences(scene: Scene) -> tuple[int, list[str]]:
    """Return how many edits wait on the workstation, and which of its rows differ from the server's."""
    held, waiting = await asyncio.to_thread(_replica, scene.site.workstation.data / "replica.db")
    differing = []
    for entity in _ENTITY_TABLES:
        rows = await scene.site.stack.fetch(
            "select id, version, fields from identity.synced_row where entity = $1", entity
        )
        server = {row["id"]: (row["version"], json.loads(row["fields"])) for row in rows}
        for row_id, (version, fields) in held[entity].items():
            theirs = server.get(row_id)
            if theirs is None or theirs[0] != version or not _agree(fields, theirs[1]):
                differing.append(f"{entity} {row_id}")
    return waiting, differing


def _agree(held: dict[str, Any], served: dict[str, Any]) -> bool:
    """Compare what both have; what never leaves the server, and what is only a desktop's, is on one side alone."""
    return all(_plain(held[name]) == _plain(served[name]) for name in held.keys() & served.keys())


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _replica(file: Path) -> tuple[dict[str, dict[str, tuple[int, dict[str, Any]]]], int]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        held = {
            entity: {
                row_id: (version, json.loads(fields))
                for row_id, version, fields in connection.execute(f"select id, version, fields from {entity}")  # noqa: S608
            }
            for entity in _ENTITY_TABLES
        }
        return held, int(connection.execute("select count(*) from sync_outbox").fetchone()[0])


async def _parts(scene: Scene, evidence: Evidence, _since: float) -> None:
    evidence.not_ready = await not_ready(scene)


async def not_ready(scene: Scene) -> list[str]:
    """Return the parts that do not work now; services are asked themselves."""
    found = await scene.site.is_ready()
    for name, address in scene.site.stack.description["services"].items():
        if why := await asyncio.to_thread(unreadiness, str(address["url"])):
            found.append(f"{name}: {why}")
    return found


async def _audit(scene: Scene, evidence: Evidence) -> None:
    try:
        await run_pulse("audit", "verify", "--data", str(scene.site.stack.data))
    except EmbeddedStackError as error:
        evidence.audit_fault = str(error).strip()


def _leaks(scene: Scene) -> tuple[list[str], int]:
    site = scene.site
    secrets = {
        **{k: v for k, v in asdict(site.secrets).items() if isinstance(v, str)},
        **site.secrets.database_passwords,
    }
    keys = scene.crowd.folder / "data" / "credentials.json"
    if keys.exists():
        secrets |= json.loads(keys.read_text(encoding="utf-8"))
    secrets["password of a person"] = f"a long password of {scene.requests.name}"
    long_enough = {name: value for name, value in secrets.items() if len(value) >= _SHORTEST_SECRET}
    logs = [*(site.stack.data / "logs").iterdir(), site.workstation.data / "agent.log"]
    leaks = []
    for log in logs:
        text = log.read_bytes()
        leaks += [f"{name} in {log.name}" for name, value in long_enough.items() if value.encode() in text]
    return leaks, len(long_enough)
