"""The replica's file: killed, damaged, shared with another process, or somebody else's."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import ManualClock
from pulse_contracts.configuration import ConfigScope, config_id

Talk = Callable[..., None]
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
ADMINS, READERS = str(UUID(int=11)), str(UUID(int=12))
NEW = str(UUID(int=77))
INTERVAL = config_id(ConfigScope.DEVICE, "D-1", "telemetry.interval_ms")


def fields_of(replica: Replica, entity: str) -> dict[str, dict[str, Any]]:
    return {row.id: row.fields for row in replica.rows(entity).values()}


def test_a_process_killed_between_staging_and_swap_leaves_the_old_rows_whole(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock, tmp_path: Path
) -> None:
    before = {entity: fields_of(replica, entity) for entity in ("users", "roles", "permissions")}
    cursor = replica.cursor
    peer.page_rows = 1
    peer.put("users", NEW, username="carol", email=None, is_active=True, roles=[])
    peer.put("users", ANNA, username="anna2", email=None, is_active=True, roles=[ADMINS])
    clock.advance(60)
    (pull,) = replica.outgoing()
    replica.receive("sync/D-1/down", *peer.answer(pull))
    # Not closed: what a killed process leaves is its file and the file's log.
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        part = replica.database.path.with_name(replica.database.path.name + suffix)
        copy.with_name(copy.name + suffix).write_bytes(part.read_bytes())
    reopened = Replica(copy, replace(peer.identity, sync_keys=peer.keys()), clock)
    assert {entity: fields_of(reopened, entity) for entity in before} == before
    assert reopened.cursor == cursor
    reopened.connected()
    talk(reopened, peer)
    assert fields_of(reopened, "users") == peer.rows("users")
    reopened.close()


def test_a_killed_swap_leaves_the_old_or_the_new_rows(tmp_path: Path) -> None:
    program = Path(__file__).parent / "swapping_process.py"
    for generations in range(2, 5):
        path = tmp_path / "killed.db"
        process = subprocess.Popen([sys.executable, str(program), str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, b"")
        for _ in range(generations):
            next(lines)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        connection = sqlite3.connect(path)
        found = connection.execute("SELECT DISTINCT json_extract(fields, '$.value') FROM system_config").fetchall()
        (cursor,) = connection.execute("SELECT value FROM sync_state WHERE key = 'cursor'").fetchone()
        (count,) = connection.execute("SELECT count(*) FROM system_config").fetchone()
        connection.close()
        assert count == 2000
        assert found == [(int(cursor) // 2000,)], "rows of two generations"
        assert int(cursor) >= generations * 2000
        path.unlink()


def test_an_edit_by_another_process_is_noticed(replica: Replica, peer: Any, talk: Talk, clock: ManualClock) -> None:
    other = Replica(replica.database.path, peer.identity, clock)
    other.record(UUID(ANNA), "users", BOB, {"email": "other@example.org"})
    other.request_sync()
    other.close()
    talk(replica, peer)
    assert peer.rows("users")[BOB]["email"] == "other@example.org"


def test_another_devices_replica_is_emptied_and_new_keys_keep_the_edits(
    replica: Replica, peer: Any, clock: ManualClock
) -> None:
    replica.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    replica.outgoing()
    again = replace(peer.identity, signing_key=type(peer.identity.signing_key).generate(), sync_keys=peer.keys())
    same = Replica(replica.database.path, again, clock)
    assert [made.op_no for made in same.pending()] == [1]
    assert same.status().needs_snapshot
    peer.identity = again
    same.connected()
    (push,) = same.outgoing()
    peer.answer(push)
    assert peer.operations[-1].op_no == 1
    same.close()
    stranger = Replica(replica.database.path, replace(again, device_id="D-2"), clock)
    assert stranger.rows("users") == {}
    assert stranger.pending() == []
    stranger.close()


def test_a_damaged_file_is_set_aside_and_everything_is_pulled_again(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    path = replica.database.path
    replica.close()
    path.write_bytes(b"nonsense" * 1000)
    fresh = Replica(path, replace(peer.identity, sync_keys=peer.keys()), clock)
    fresh.connected()
    talk(fresh, peer)
    assert fields_of(fresh, "users") == peer.rows("users")
    fresh.record(UUID(ANNA), "users", BOB, {"email": "b@example.org"})
    talk(fresh, peer)
    assert peer.operations[-1].op_no > 1_000_000_000
    assert list(path.parent.glob("replica.db.damaged-*"))
    fresh.close()


def test_what_left_the_scope_is_gone_from_the_files_log_as_soon_as_nobody_reads_it(
    replica: Replica, peer: Any, talk: Talk, clock: ManualClock
) -> None:
    path = replica.database.path
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM users").fetchone()
        peer.remove("users", BOB)
        clock.advance(60)
        talk(replica, peer)
        assert b'"bob"' in path.read_bytes() + path.with_name("replica.db-wal").read_bytes()
    replica.outgoing()
    assert b'"bob"' not in path.read_bytes() + path.with_name("replica.db-wal").read_bytes()
