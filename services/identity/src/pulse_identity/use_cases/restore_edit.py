"""Making the lost side of a conflict stand after all: a new edit on the web, by who restores it, with their rights of now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import InvalidError, NotFoundError
from pulse_chassis.request_origin import RequestOrigin, current_origin, request_origin
from pulse_contracts.audit import AuditActor
from pulse_contracts.operations import SyncedRow
from pulse_identity.domain.edits import Editor
from pulse_identity.use_cases.edit_rows import acting, change_row, check_right
from pulse_identity.use_cases.open_operation import read_edit
from pulse_identity.use_cases.ports import Work


class RestoreEdit:
    """Applies an edit that lost."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, actor_id: UUID, entity: str, row_id: str, fields: dict[str, Any]) -> SyncedRow:
        """Return the row as it is now; raises as a change on the web, NotFoundError for a row that is gone.

        A password cannot be restored: it was never kept. The mark that there was one (`true`) is left out.
        """
        wanted = {name: value for name, value in fields.items() if not (name == "password" and value is True)}
        if "password" in wanted:
            message = "a password is not restored but set anew"
            raise InvalidError(message, code="password_not_restorable", field="password")
        edit = read_edit(entity, row_id, wanted)
        origin = RequestOrigin(None, current_origin().request_id, AuditActor(kind="user", id=str(actor_id)))
        with request_origin(origin):
            async with self._work() as unit:
                actor = await acting(unit, actor_id)
                check_right(actor, edit)
                unit.edit_as(Editor(str(actor_id)))
                await unit.lock(f"row:{edit.entity}:{edit.row_id}")
                known = await unit.synced_rows.known(edit.entity, edit.row_id)
                if known is None or known.state.is_deleted:
                    code = "unknown_user" if edit.entity == "users" else "unknown_role"
                    raise NotFoundError("there is no such row any more", code=code)
                await change_row(unit, actor, edit, edit.keys, None, self._clock.now())
                row = await unit.synced_rows.row(edit.entity, edit.row_id)
        if row is None:
            raise NotFoundError("there is no such row any more")
        return row
