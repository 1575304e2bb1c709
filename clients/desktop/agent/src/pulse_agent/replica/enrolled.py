"""Whose replica this is: what is kept when the same desktop gets new keys, and that nothing is when it is another."""

from __future__ import annotations

from typing import Final

from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.identity import DesktopIdentity

_ALL_TABLES: Final = (
    "permissions",
    "roles",
    "users",
    "system_config",
    "user_roles",
    "role_permissions",
    "sync_outbox",
    "sync_conflict",
    "sync_log",
    "revocation",
    "lease",
    "verifier",
    "lockout",
    "sync_state",
)


def adopt_identity(database: ReplicaDatabase, identity: DesktopIdentity, now_ms: int) -> None:
    """Make the replica this desktop's.

    Another device's rows and edits go. Under new keys the edits stay, to be signed anew under their numbers, and all
    else is fetched again, as leases and verifiers were made for the old keys.
    """
    owner, key_id = database.value("device_id"), database.value("key_id")
    if (owner, key_id) == (identity.device_id, identity.signing_key.key_id):
        return
    with database.transaction(durable=True) as connection:
        if owner is not None and owner != identity.device_id:
            for table in _ALL_TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of ours
        elif owner is not None:
            connection.execute("UPDATE sync_outbox SET token = NULL")
            connection.execute("DELETE FROM lease")
            connection.execute("DELETE FROM verifier")
            database.set_value("needs_snapshot", 1)
        database.set_value("device_id", identity.device_id)
        database.set_value("key_id", identity.signing_key.key_id)
        if database.was_damaged:
            # The numbers used before are lost with the old file; the time is above any of them.
            database.set_value("op_no", now_ms)
    database.scrub()
