"""Pages of one pull, kept aside until the last one; then they become the replica in one transaction.

Guarantees: until `swap` nothing of them shows, and a process that dies before leaves the old rows whole; the staging
table is temporary and dies with it. A swap takes rows, leases, verifiers and the cursor at once. In a snapshot, what no
page named is gone; in a delta a row never goes back to an older version.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Final

from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.rows import TABLES, checksum, delete_row, name_key
from pulse_contracts.stamps import NO_STAMP, Stamp
from pulse_contracts.sync import ENTITY_ORDER, Page, PasswordVerifier, row_digest

_KEYED: Final = ("users", "roles")
_MEMBERS: Final = {"users": ("user_roles", "user_id", "roles"), "roles": ("role_permissions", "role_id", "permissions")}
"""The table with their members, whose they are there, and the field that lists them."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False)  # made once: json.dumps would make one for each row
_FEW: Final = 1_000
"""Staged rows that are deleted; more are forgotten faster with their table."""
_SHARED: Final = "id, version, updated_at, updated_by, source, fields, digest"


@dataclass(slots=True)
class Walk:
    """One pull from its first page to its last: what was asked, and where it stands."""

    mode: str
    since: int
    revocation_no: int
    renew_leases: bool
    checkpoint: int | None = None
    after: str | None = None
    rows: int = 0
    entities: set[str] = field(default_factory=set)
    """Of which rows were staged."""
    newest_stamp: Stamp = NO_STAMP
    leases: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """User id → a verified lease, the Unix seconds of its end, the newest revocation it knows."""
    verifiers: dict[str, PasswordVerifier] = field(default_factory=dict)


class Staging:
    """The rows of the walk that is under way."""

    def __init__(self, database: ReplicaDatabase) -> None:
        self._database = database
        self._held = 0
        self._create()

    def _create(self) -> None:
        self._database.connection.execute(
            "CREATE TEMP TABLE staging (entity TEXT, id TEXT, version INTEGER, updated_at TEXT, updated_by TEXT, "
            "source TEXT, deleted INTEGER, fields TEXT, digest INTEGER, name_key TEXT, PRIMARY KEY (entity, id)) "
            "WITHOUT ROWID"
        )

    def clear(self) -> None:
        """Forget what was staged."""
        if self._held > _FEW:
            # Made anew: deleting row by row would overwrite each.
            self._database.connection.execute("DROP TABLE temp.staging")
            self._create()
        elif self._held:
            # A table made anew has every statement of this connection prepared anew.
            self._database.connection.execute("DELETE FROM temp.staging")
        self._held = 0

    def stage(self, page: Page, walk: Walk) -> None:
        """Keep a page's rows aside."""
        values = []
        for given in page.rows:
            name = given.fields.get("username") if given.entity == "users" else given.fields.get("name")
            values.append(
                (
                    given.entity,
                    given.id,
                    given.version,
                    given.updated_at,
                    given.updated_by,
                    given.source,
                    given.deleted,
                    _JSON.encode(given.fields),
                    0 if given.deleted else row_digest(given.entity, given.id, given.version, given.fields),
                    name_key(str(name or "")),
                )
            )
            if given.updated_at > walk.newest_stamp:
                walk.newest_stamp = Stamp(given.updated_at)
        if not values:
            return
        walk.rows += len(values)
        walk.entities.update(given.entity for given in page.rows)
        self._held += len(values)
        connection = self._database.connection
        connection.execute("BEGIN")  # the temporary file alone: nobody else is kept waiting
        try:
            connection.executemany("INSERT OR REPLACE INTO staging VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def swap(self, connection: sqlite3.Connection, walk: Walk) -> int:
        """Make the staged rows the replica within the open transaction; return how many rows went away."""
        is_snapshot = walk.mode == "snapshot"
        # Of what no page named a delta changes nothing; a snapshot takes it away.
        entities = [entity for entity in ENTITY_ORDER if is_snapshot or entity in walk.entities]
        gone = sum(self._take_away(connection, entity, is_snapshot=is_snapshot) for entity in entities)
        for entity in entities:
            self._take_in(connection, entity, is_snapshot=is_snapshot)
            self._take_members(connection, entity)
        self._take_leases(connection, walk)
        return gone

    def differing(self, expected: dict[str, tuple[int, str]], now_ms: int) -> list[str]:
        """Return the entities whose rows are not what the server counted; one with a row ahead of pages waits."""
        connection = self._database.connection
        found = []
        for entity, wanted in expected.items():
            table = TABLES.get(entity)
            if table is None:
                continue
            (is_ahead,) = connection.execute(
                f"SELECT EXISTS (SELECT 1 FROM {table} WHERE held_until > ?)",  # noqa: S608 -- names of ours
                (now_ms,),
            ).fetchone()
            if not is_ahead and checksum(connection, entity) != tuple(wanted):
                found.append(entity)
        return found

    @staticmethod
    def _take_away(connection: sqlite3.Connection, entity: str, *, is_snapshot: bool) -> int:
        table = TABLES[entity]
        if is_snapshot:
            statement = (
                f"SELECT id FROM {table} WHERE id NOT IN (SELECT id FROM staging WHERE entity = ? AND NOT deleted)"  # noqa: S608
            )
        else:
            statement = (
                f"SELECT held.id FROM {table} held JOIN staging ON staging.entity = ? AND staging.id = held.id "  # noqa: S608 -- names of ours
                "WHERE staging.deleted AND (staging.version = 0 OR staging.version >= held.version)"
            )
        gone = connection.execute(statement, (entity,)).fetchall()
        for (row_id,) in gone:
            delete_row(connection, entity, row_id)
        return len(gone)

    @staticmethod
    def _take_in(connection: sqlite3.Connection, entity: str, *, is_snapshot: bool) -> None:
        table = TABLES[entity]
        key = ", name_key" if entity in _KEYED else ""
        newer = (
            ""
            if is_snapshot
            else f" AND NOT EXISTS (SELECT 1 FROM {table} held WHERE held.id = staging.id AND held.version > staging.version)"  # noqa: S608
        )
        connection.execute(
            f"INSERT OR REPLACE INTO {table} SELECT {_SHARED}, 0{key} FROM staging "  # noqa: S608 -- names of ours
            f"WHERE entity = ? AND NOT deleted{newer}",
            (entity,),
        )

    @staticmethod
    def _take_members(connection: sqlite3.Connection, entity: str) -> None:
        """Derive who has which role, or which role which permission, from the rows as they are now."""
        if entity not in _MEMBERS:
            return
        (table, owner, name), rows = _MEMBERS[entity], TABLES[entity]
        connection.execute(
            f"DELETE FROM {table} WHERE {owner} IN (SELECT id FROM staging WHERE entity = ?)",  # noqa: S608
            (entity,),
        )
        connection.execute(
            f"INSERT OR IGNORE INTO {table} SELECT {rows}.id, member.value "  # noqa: S608 -- names of ours
            f"FROM staging JOIN {rows} ON {rows}.id = staging.id, json_each({rows}.fields, '$.{name}') member "
            "WHERE staging.entity = ?",
            (entity,),
        )

    @staticmethod
    def _take_leases(connection: sqlite3.Connection, walk: Walk) -> None:
        # A row without a lease leaves an older one in force: it is revocations that end one early.
        if not walk.leases and not walk.verifiers:
            return
        present = {values[0] for values in connection.execute("SELECT id FROM users")}
        connection.executemany(
            "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)",
            [(user, *lease) for user, lease in walk.leases.items() if user in present],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO verifier VALUES (?, ?)",
            [(user, made.model_dump_json()) for user, made in walk.verifiers.items() if user in present],
        )
