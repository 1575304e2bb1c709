"""What the commands on people, roles, config and sync share: the replica of a folder, and somebody who signed in.

Works beside a running agent, which notices edits within a second and sends them, and without one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from pulse_agent.configuration.desktop_keys import load_identity
from pulse_agent.configuration.device import load_device
from pulse_agent.local_access.editing import Editor
from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_access.sign_in import LocalLogin
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.replica.replica import Replica
from pulse_agent.replica.rows import ReplicaRow, name_key
from pulse_chassis.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Workstation:
    """A folder's replica, opened by this process."""

    replica: Replica
    login: LocalLogin
    editor: Editor

    def find(self, entity: str, name: str) -> ReplicaRow:
        """Return a user or role by name or id. Raises EditRefusedError."""
        field = "username" if entity == "users" else "name"
        for row in self.replica.rows(entity).values():
            if row.id == name or name_key(str(row.fields.get(field) or "")) == name_key(name):
                return row
        raise EditRefusedError("unknown_row", f"there is no {'user' if entity == 'users' else 'role'} {name} here")


@contextmanager
def opened(data: Path) -> Iterator[Workstation]:
    """Open the replica in `data`. Raises NotEnrolledError, NoSyncKeysError, KeyMissingError, NewerDatabaseError."""
    identity = load_identity(data, load_device(data))
    clock = SystemClock()
    replica = Replica(data / REPLICA_FILE, identity, clock)
    try:
        login = LocalLogin(replica.database, identity, clock)
        yield Workstation(replica, login, Editor(replica, login, identity))
    finally:
        replica.close()


class Passwords:
    """Where passwords come from: asked for without showing them, or line by line from standard input."""

    def __init__(self, *, from_stdin: bool) -> None:
        self._from_stdin = from_stdin

    def own(self) -> str:
        """Return the password of who signs in."""
        return self._line() if self._from_stdin else str(typer.prompt("Password", hide_input=True, err=True))

    def new(self) -> str:
        """Return a password to be set, typed twice."""
        if self._from_stdin:
            return self._line()
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))

    @staticmethod
    def _line() -> str:
        line = sys.stdin.readline()
        if not line:
            raise EditRefusedError("no_password", "standard input holds no password")
        return line.rstrip("\r\n")


def sign_in(workstation: Workstation, user: str | None, passwords: Passwords) -> LocalSession:
    """Sign somebody in. Raises LoginRefusedError."""
    name = user or str(typer.prompt("User name", err=True))
    return workstation.login.sign_in(name, passwords.own())
