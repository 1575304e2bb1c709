"""Signing in on this desktop, with or without the server.

Guarantees: without a lease of sync's for this user on this desktop, in force now and not older than a revocation, nobody
is signed in; a clock that was set back opens nothing; an unknown user and a wrong password take the same time and get
the same words; why a right password does not open is said only to who knows it.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Final

from pulse_agent.local_access.lockout import Lockout
from pulse_agent.local_access.passwords import is_right
from pulse_agent.local_access.session import LocalSession, LoginRefusal, LoginRefusedError
from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.masks import PASSWORD
from pulse_agent.replica.messages import MessageRefusedError, open_lease
from pulse_agent.replica.operations import PendingOperation, read_operations
from pulse_agent.replica.rows import ReplicaRow, base_row, name_key, row, rows
from pulse_agent.replica.time_seen import TOLERANCE_MS, TimeSeen
from pulse_chassis.clock import Clock
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.sync import Lease, PasswordVerifier

_MAX_NAME_CHARS: Final = 256


class LocalLogin:
    """The desktop's own door. Uses the replica's file from the thread that owns `database`."""

    def __init__(self, database: ReplicaDatabase, identity: DesktopIdentity, clock: Clock) -> None:
        self._database = database
        self._identity = identity
        self._clock = clock
        self._lockout = Lockout(database, identity.verifier_key)
        self._time_seen = TimeSeen(database)
        keys = identity.sync_keys
        self._trusted = TrustedKeys(keys.keys) if keys is not None else None

    def sign_in(self, username: str, password: str) -> LocalSession:
        """Return the session. Raises LoginRefusedError. Takes tens of milliseconds: not on an event loop."""
        now_ms = self._now_ms()
        name = name_key(username[:_MAX_NAME_CHARS])
        self._check_clock(now_ms)
        wait = self._lockout.begin(name, now_ms)
        if wait:
            raise LoginRefusedError(LoginRefusal.LOCKED_OUT, wait)
        user = self._find(name)
        verifier = None if user is None else self._verifier(user.id)
        is_password_right = is_right(self._identity.verifier_key, verifier, password, self._any_verifier())
        if user is not None and verifier is None:
            raise LoginRefusedError(LoginRefusal.PASSWORD_NOT_KNOWN_HERE)
        if user is None or not is_password_right:
            raise LoginRefusedError(LoginRefusal.WRONG_CREDENTIALS)
        self._lockout.clear(name)
        self._time_seen.note(now_ms, every_ms=0)
        return self.current(user.id)

    def current(self, user_id: str) -> LocalSession:
        """Return what a signed-in user may do now. Raises LoginRefusedError when they may not even be signed in."""
        now_ms = self._now_ms()
        self._check_clock(now_ms)
        connection = self._database.connection
        user = row(connection, "users", user_id)
        known = base_row(connection, "users", user_id)
        if user is None or known is None or not user.fields.get("is_active"):
            raise LoginRefusedError(LoginRefusal.DISABLED)
        lease = self._lease(user_id, now_ms)
        if name_key(lease.username) != name_key(str(known.fields.get("username", ""))):
            raise LoginRefusedError(LoginRefusal.NO_LEASE)
        return LocalSession(
            user_id=user_id,
            username=str(user.fields.get("username", "")),
            roles=tuple(lease.roles),
            permissions=self._unrevoked(connection, user, frozenset(lease.permissions)),
            lease_until=datetime.fromtimestamp(lease.exp, UTC),
        )

    # -- inside -----------------------------------------------------------------------------------------------------

    def _check_clock(self, now_ms: int) -> None:
        if self._time_seen.is_set_back(now_ms):
            raise LoginRefusedError(LoginRefusal.CLOCK_SET_BACK)

    def _find(self, name: str) -> ReplicaRow | None:
        for user in rows(self._database.connection, "users").values():
            if name_key(str(user.fields.get("username", ""))) == name:
                return user
        return None

    def _verifier(self, user_id: str) -> PasswordVerifier | None:
        """Return how to check the user's password; None also while a new one waits for the server."""
        if any(PASSWORD in made.fields for made in self._edits("users", user_id)):
            return None
        found = self._database.connection.execute(
            "SELECT parameters FROM verifier WHERE user_id = ?", (user_id,)
        ).fetchone()
        return None if found is None else PasswordVerifier.model_validate_json(found[0])

    def _any_verifier(self) -> PasswordVerifier | None:
        found = self._database.connection.execute("SELECT parameters FROM verifier LIMIT 1").fetchone()
        return None if found is None else PasswordVerifier.model_validate_json(found[0])

    def _lease(self, user_id: str, now_ms: int) -> Lease:
        connection = self._database.connection
        revoked = connection.execute("SELECT no FROM revocation WHERE user_id = ?", (user_id,)).fetchone()
        found = connection.execute("SELECT token FROM lease WHERE user_id = ?", (user_id,)).fetchone()
        if found is None or self._trusted is None:
            raise LoginRefusedError(LoginRefusal.REVOKED if revoked is not None else LoginRefusal.NO_LEASE)
        try:
            lease = open_lease(self._trusted, found[0], user_id, self._identity.device_id)
        except MessageRefusedError as error:
            raise LoginRefusedError(LoginRefusal.NO_LEASE) from error
        if revoked is not None and lease.rev < revoked[0]:
            raise LoginRefusedError(LoginRefusal.REVOKED)
        if now_ms < lease.iat * 1000 - TOLERANCE_MS:
            raise LoginRefusedError(LoginRefusal.CLOCK_SET_BACK)
        if now_ms >= lease.exp * 1000:
            raise LoginRefusedError(LoginRefusal.LEASE_EXPIRED)
        return lease

    def _unrevoked(self, connection: sqlite3.Connection, user: ReplicaRow, granted: frozenset[str]) -> frozenset[str]:
        """Take away what was taken away here and is not answered yet; nothing is ever added to the lease."""
        roles = [str(role) for role in user.fields.get("roles") or ()]
        known = base_row(connection, "users", user.id)
        of_base = [str(role) for role in (known.fields.get("roles") if known else None) or ()]
        is_touched = user.is_pending or any(self._edits("roles", role) for role in of_base)
        if not is_touched:
            return granted
        held: set[str] = set()
        for role in roles:
            found = row(connection, "roles", role)
            held.update(found.fields.get("permissions") or () if found is not None else ())
        return granted & held

    def _edits(self, entity: str, row_id: str) -> list[PendingOperation]:
        return read_operations(self._database.connection, "WHERE entity = ? AND id = ?", entity, row_id)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
