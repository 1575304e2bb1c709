"""How a synced row is stamped when it changes, and how the others are told: within one session, by every store.

Guaranteed: a row's stamps only grow, whoever writes and whatever the clocks say; a deleted row leaves a tombstone; what
changed is on `pulse:changes` if, and only if, the transaction commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_chassis import outbox
from pulse_chassis.clock import Clock
from pulse_chassis.request_origin import current_origin
from pulse_contracts.stamps import Stamp, next_stamp
from pulse_contracts.streams import CHANGES_STREAM, RowChanged
from pulse_identity.domain.edits import Editor
from pulse_identity.storage.sync_tables import tombstones

OURSELVES: Final = "identity"
Mortal = Literal["users", "roles"]


class RowStamps:
    """Stamps the rows of one session as its editor's."""

    def __init__(self, session: AsyncSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self.editor: Editor | None = None
        """Who edits; None: whoever makes the request at hand."""

    def columns(self, seen: Stamp) -> dict[str, Any]:
        """Return what is written to a row whose highest stamp so far is `seen`."""
        editor = self.editor or _by_request()
        return {"stamp": self._next(seen, editor), "updated_by": editor.id, "source": editor.source}

    async def tell(self, entity: Literal["permissions", "roles", "users"], rows: Sequence[tuple[str, int]]) -> None:
        """Have the others told that these rows (id, version) changed."""
        events = [RowChanged(entity=entity, id=row_id, version=version) for row_id, version in rows]
        await outbox.append_many(self._session, CHANGES_STREAM, events)

    async def bury(self, entity: Mortal, row_id: object, version: int, seen: Stamp) -> None:
        """Leave a tombstone of a row that was deleted in version `version`, and tell."""
        marks = self.columns(seen)
        columns = {
            "version": version,
            "stamp": marks["stamp"],
            "deleted_by": marks["updated_by"],
            "source": marks["source"],
            "deleted_at": self._clock.now(),
        }
        grave = insert(tombstones).values(entity=entity, id=str(row_id), **columns)
        await self._session.execute(grave.on_conflict_do_update(index_elements=["entity", "id"], set_=columns))
        await self.tell(entity, [(str(row_id), version)])

    def _next(self, seen: Stamp, editor: Editor) -> Stamp:
        if editor.stamp is None:
            return next_stamp(seen, round(self._clock.now().timestamp() * 1000))
        # A desktop's edit stands at the time when it was made, or right behind what it follows.
        return editor.stamp if editor.stamp > seen else next_stamp(seen, 0)


def with_revocations(revoked: dict[str, int], keys: Iterable[str], version: int) -> dict[str, int]:
    """Return a row's revocations with those of this version."""
    return {**revoked, **dict.fromkeys(keys, version)}


def highest(stamps: Iterable[str]) -> Stamp:
    """Return the latest of some stamps; raises ValueError when there is none."""
    return Stamp(max(stamps))


def _by_request() -> Editor:
    actor = current_origin().actor
    return Editor(OURSELVES if actor.kind == "anonymous" else actor.id or OURSELVES)
