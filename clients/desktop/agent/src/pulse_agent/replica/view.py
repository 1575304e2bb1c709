"""What a replica holds, to be read: rows with local edits on top, edits that wait, what happened, how sync stands."""

from __future__ import annotations

from pulse_agent.configuration.entries import ConfigEntry
from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.effective import effective_entries
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.journal import Journal, KeptConflict, LogEntry
from pulse_agent.replica.operations import Operations, PendingOperation
from pulse_agent.replica.rows import ReplicaRow, base_rows, row, rows
from pulse_agent.replica.status import ReplicaStatus, read_status


class ReplicaView:
    """Reads one replica, from the thread that opened its file."""

    def __init__(self, database: ReplicaDatabase, identity: DesktopIdentity) -> None:
        self.database = database
        self.journal = Journal(database.connection)
        self.operations = Operations(database, identity)

    def effective_config(self) -> dict[str, ConfigEntry]:
        """Return, by key, the configuration in force; a key without an entry is as the agent was started."""
        return effective_entries(self.rows("config"))

    def rows(self, entity: str) -> dict[str, ReplicaRow]:
        """Return the rows of users, roles, permissions or config by id, with local edits on top."""
        return rows(self.database.connection, entity)

    def row(self, entity: str, row_id: str) -> ReplicaRow | None:
        """Return one row with local edits on top."""
        return row(self.database.connection, entity, row_id)

    def base_rows(self, entity: str) -> dict[str, ReplicaRow]:
        """Return the rows by id as the server gave them."""
        return base_rows(self.database.connection, entity)

    @property
    def cursor(self) -> int:
        """Up to where in the server's log this replica is."""
        return self.database.number("cursor")

    def pending(self) -> list[PendingOperation]:
        """Return the edits that the server has not answered."""
        return self.operations.pending()

    def conflicts(self) -> list[KeptConflict]:
        """Return the edits that met another's, or were refused."""
        return self.journal.conflicts()

    def notices(self) -> list[KeptConflict]:
        """Return those of them that nobody was told of yet; each has its `sentence`."""
        return self.journal.conflicts(only_unread=True)

    def log(self) -> list[LogEntry]:
        """Return what happened."""
        return self.journal.log()

    def status(self) -> ReplicaStatus:
        """Return how sync stands."""
        return read_status(self.database.connection)
