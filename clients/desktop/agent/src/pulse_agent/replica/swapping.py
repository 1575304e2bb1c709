"""Putting a pull into force: revocations at once, everything else with the last page, then the comparison by checksum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.journal import Journal
from pulse_agent.replica.operations import Operations
from pulse_agent.replica.rows import TABLES
from pulse_agent.replica.staging import Staging, Walk
from pulse_agent.replica.time_seen import TimeSeen
from pulse_contracts.sync import LEASE_SECONDS, Page, Revocation

RENEW_AT_MOST_EVERY_MS: Final = 3600 * 1000
"""Leases are asked for again at half their life, and for users without one; not more often than this."""


class Swapping:
    """Writes what pages bring. Methods that write expect no open transaction, but for `stop_holding`."""

    def __init__(
        self, database: ReplicaDatabase, staging: Staging, operations: Operations, journal: Journal, time_seen: TimeSeen
    ) -> None:
        self._database = database
        self._staging = staging
        self._operations = operations
        self._journal = journal
        self._time_seen = time_seen
        self.needs_scrub = False
        """Whether rows went away that the file's log may still hold."""

    def revoke(self, revocations: Sequence[Revocation], now_ms: int) -> None:
        """Put revocations in force, durably, before any row."""
        known = self._database.number("revocation_no")
        fresh = sorted((made for made in revocations if made.no > known), key=lambda made: made.no)
        if not fresh:
            return
        with self._database.transaction(durable=True) as connection:
            for made in fresh:
                connection.execute(
                    "INSERT OR REPLACE INTO revocation VALUES (?, ?, ?, ?)",
                    (made.user_id, made.no, made.reason, made.at),
                )
                connection.execute("DELETE FROM lease WHERE user_id = ? AND rev < ?", (made.user_id, made.no))
                if made.reason == "password_changed":
                    connection.execute("DELETE FROM verifier WHERE user_id = ?", (made.user_id,))
                self._journal.note(now_ms, "revocation", "applied", made.reason, ("users", made.user_id))
            self._database.set_value("revocation_no", fresh[-1].no)

    def swap(self, page: Page, walk: Walk, now_ms: int) -> list[str]:
        """Make what was staged the replica; return the entities that do not add up to the server's checksum then."""
        with self._database.transaction() as connection:
            gone = self._staging.swap(connection, walk)
            self._operations.saw(walk.newest_stamp)
            self._database.set_value("cursor", page.checkpoint)
            self._database.set_value("head", max(page.head, page.checkpoint))
            self._database.set_value("last_sync_at", now_ms)
            self._database.set_value("error", None)
            if walk.renew_leases:
                self._database.set_value("renewed_at", now_ms)
            self._time_seen.hear(page.iat)
            differing = self._staging.differing(page.checksum or {}, now_ms)
            self._judge(walk, differing)
            if walk.mode == "delta":
                self._journal.note_applied(now_ms)
            if walk.rows or gone or walk.mode == "snapshot" or differing:
                detail = f"{walk.mode} up to {page.checkpoint}: {walk.rows} rows, {gone} gone"
                self._journal.note(now_ms, "swap", "applied", detail)
            if differing:
                self._journal.note(now_ms, "checksum", "failed", f"{walk.mode}: {', '.join(differing)}")
        if gone:
            self.needs_scrub = True
        return differing

    def should_renew_leases(self, now_ms: int) -> bool:
        """Tell whether to ask for new leases."""
        if now_ms - self._database.number("renewed_at") < RENEW_AT_MOST_EVERY_MS:
            return False
        (lacks,) = self._database.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM users LEFT JOIN lease ON lease.user_id = users.id "
            "WHERE (lease.user_id IS NULL AND json_extract(users.fields, '$.is_active')) OR lease.expires_at < ?)",
            (now_ms // 1000 + LEASE_SECONDS // 2,),
        ).fetchone()
        return bool(lacks)

    def stop_holding(self) -> None:
        """Have every row compared from now on, also those that may be ahead of pages, within the open transaction."""
        for table in TABLES.values():
            self._database.connection.execute(
                f"UPDATE {table} SET held_until = 0 WHERE held_until > 0"  # noqa: S608 -- names of ours
            )

    def _judge(self, walk: Walk, differing: list[str]) -> None:
        if differing:
            self._database.set_value("needs_snapshot", 1)
            self._database.set_value("error", f"differs from the server: {', '.join(differing)}"[:256])
        elif walk.mode == "snapshot":
            self._database.set_value("needs_snapshot", None)
