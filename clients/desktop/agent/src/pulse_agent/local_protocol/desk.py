"""What windows of an enrolled agent talk to: its parts, and asking the replica in the replica's own thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pulse_agent.local_access.editing import Editor
from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_access.sign_in import LocalLogin
from pulse_agent.local_protocol.calls import CallRefusedError, Handler
from pulse_agent.local_protocol.parts import DeskParts
from pulse_agent.replica.replica import Replica
from pulse_contracts.local_protocol import ErrorCode
from pulse_contracts.local_status import Mode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workplace:
    """The replica with its door and its editor, for one piece of work in the replica's thread."""

    replica: Replica
    login: LocalLogin
    editor: Editor

    def usernames(self) -> dict[str, str]:
        """Return the names of the users here, by id."""
        return {row.id: str(row.fields.get("username", "")) for row in self.replica.rows("users").values()}


class Desk:
    """A running agent, as a `Host` of windows."""

    mode = Mode.ENROLLED

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts
        self.handlers: Mapping[str, Handler] = {}

    async def ask(self, work: Callable[[Workplace], T], *, is_edit: bool = False) -> T:
        """Run `work` in the replica's thread. Raises CallRefusedError, ReplicaAwayError, and what `work` raises."""
        live = self.parts.replica
        if live is None:
            raise CallRefusedError(ErrorCode.NO_SYNC, self.parts.no_sync)
        identity, clock = live.identity, self.parts.clock

        def at_place(replica: Replica) -> T:
            login = LocalLogin(replica.database, identity, clock)
            return work(Workplace(replica, login, Editor(replica, login, identity)))

        return await live.ask(at_place, is_edit=is_edit)

    async def current(self, session: LocalSession) -> LocalSession:
        """Return what somebody who signed in may do now. Raises LoginRefusedError, CallRefusedError, ReplicaAwayError."""
        return await self.ask(lambda place: place.login.current(session.user_id))

    def now_ms(self) -> int:
        """Return the time."""
        return int(self.parts.clock.now().timestamp() * 1000)
