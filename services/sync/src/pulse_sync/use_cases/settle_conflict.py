"""A person resolves a conflict: makes the side that lost stand after all, or dismisses it.

Guaranteed: of two who resolve the same conflict one gets a ConflictError; a conflict is marked as restored only when the
owner of the row has taken the edit, by the rights that the person has at that moment.
"""

from __future__ import annotations

from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError
from pulse_chassis.principal import Principal
from pulse_sync.domain.lost_side import lost_desktop_edit, lost_server_edit
from pulse_sync.use_cases.ports import ConfigOwner, PeopleOwner, StateNews
from pulse_sync.use_cases.view_ports import ConflictBook, ConflictView, DeviceScope


class SettleConflict:
    """Resolves conflicts."""

    def __init__(
        self, book: ConflictBook, people: PeopleOwner, config: ConfigOwner, news: StateNews, clock: Clock
    ) -> None:
        self._book = book
        self._people = people
        self._config = config
        self._news = news
        self._clock = clock

    async def restore(self, principal: Principal, scope: DeviceScope, conflict_id: UUID) -> ConflictView:
        """Make the lost side stand. Raises NotFoundError, ConflictError, InvalidError, or what the owner refuses with."""
        async with self._book.settling(scope, conflict_id) as conflict:
            view = conflict.view
            fields = _lost(view)
            if not fields:
                message = "nothing of the lost side can be restored: a password is never kept"
                raise InvalidError(message, code="nothing_to_restore")
            if view.entity == "config":
                await self._config.restore(principal.user_id, view.row_id, fields)
            else:
                await self._people.restore(principal.user_id, view.entity, view.row_id, fields)
            resolved = await conflict.resolve("restored", principal.user_id, self._clock.now())
        self._news.note_desktop(view.desktop_id)
        return resolved

    async def dismiss(self, principal: Principal, scope: DeviceScope, conflict_id: UUID) -> ConflictView:
        """Leave what stands. Raises NotFoundError, ConflictError."""
        async with self._book.settling(scope, conflict_id) as conflict:
            resolved = await conflict.resolve("dismissed", principal.user_id, self._clock.now())
        self._news.note_desktop(resolved.desktop_id)
        return resolved


def _lost(view: ConflictView) -> dict[str, object]:
    if view.winner == "server":
        return lost_desktop_edit(view.desktop_fields, view.applied)
    if view.entity == "config":
        # Its whole row is one value, which is also what comes back after a deletion.
        return dict(view.server_fields)
    return lost_server_edit(view.desktop_fields, view.server_fields, view.applied)
