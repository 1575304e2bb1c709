"""`sync.*`, `conflicts.*` and `notices.*`: what waits, what happened, and deciding on what met another's edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_protocol.calls import Call, CallRefusedError, Handler
from pulse_agent.local_protocol.desk import Desk, Workplace
from pulse_agent.local_protocol.row_views import has_password, stamp_ms, who
from pulse_agent.replica.journal import KeptConflict
from pulse_agent.replica.masks import without_secrets
from pulse_agent.replica.operations import PendingOperation
from pulse_agent.replica.refusals import EditRefusedError
from pulse_contracts import local_records as records
from pulse_contracts.configuration import ConfigScope, parse_config_id
from pulse_contracts.local_protocol import ErrorCode
from pulse_contracts.local_status import MAX_PAGE, Done, NoParams
from pulse_contracts.operations import EditableEntity
from pulse_contracts.permissions import Permission

PAGE_CHARS: Final = 2 * 1024 * 1024
"""Conflicts hold whole rows: a page ends here, well below the longest answer."""


def sync_methods(desk: Desk) -> Mapping[str, Handler]:
    """Return the methods on sync."""
    methods = _Methods(desk)
    return {
        "sync.now": methods.now,
        "sync.pending": methods.pending,
        "sync.log": methods.log,
        "conflicts.list": methods.conflicts,
        "conflicts.accept": methods.accept,
        "conflicts.restore": methods.restore,
        "notices.list": methods.notices,
        "notices.read": methods.read_notices,
    }


def may_see(session: LocalSession, conflict: KeptConflict) -> bool:
    """Tell whether somebody is told of a conflict: of their own edits everybody, of others' who may see sync."""
    return conflict.actor == session.user_id or session.can(Permission.SYNC_READ)


class _Methods:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def now(self, _call: Call, _: NoParams) -> records.Compared:
        replica = self._desk.parts.replica
        if replica is None:
            raise CallRefusedError(ErrorCode.NO_SYNC, self._desk.parts.no_sync)
        if not self._desk.parts.agent.status().is_reached:
            await self._desk.ask(lambda place: place.replica.request_sync())
            message = "the server is not reached: everything is compared as soon as it is"
            raise CallRefusedError(ErrorCode.OFFLINE, message)
        return records.Compared.model_validate(dict(await replica.compare_all()))

    async def pending(self, _call: Call, _: NoParams) -> records.PendingEdits:
        return await self._desk.ask(_pending)

    async def log(self, _call: Call, params: records.BeforeParams) -> records.SyncLog:
        found = await self._desk.ask(lambda place: place.replica.journal.log(params.limit, params.before))
        return records.SyncLog(
            rows=[
                records.SyncLogRow(
                    number=one.number, at_ms=one.at_ms, kind=one.kind, source=one.source, status=one.status,
                    entity=one.entity, row_id=one.row_id, detail=one.detail,
                )
                for one in reversed(found)
            ]
        )  # fmt: skip

    async def conflicts(self, _call: Call, params: records.ConflictsParams) -> records.Conflicts:
        return await self._desk.ask(lambda place: _conflicts(place, params))

    async def accept(self, _call: Call, params: records.NumberParams) -> Done:
        def work(place: Workplace) -> None:
            found = _open_conflict(place, params.number)
            with place.replica.database.transaction():
                place.replica.journal.resolve(found.number, "accepted")

        await self._desk.ask(work)
        return Done()

    async def restore(self, call: Call, params: records.NumberParams) -> Done:
        actor = call.session
        await self._desk.ask(lambda place: _restore(place, actor, params.number), is_edit=True)
        return Done()

    async def notices(self, call: Call, _: NoParams) -> records.Notices:
        actor = call.session
        found = await self._desk.ask(lambda place: place.replica.notices())
        rows = [
            records.NoticeRow(number=one.number, at_ms=one.at_ms, sentence=one.sentence)
            for one in found
            if may_see(actor, one)
        ]
        return records.Notices(rows=rows)

    async def read_notices(self, call: Call, params: records.NumbersParams) -> Done:
        actor = call.session

        def work(place: Workplace) -> None:
            unread = [one.number for one in place.replica.notices() if may_see(actor, one)]
            wanted = None if params.numbers is None else set(params.numbers)
            with place.replica.database.transaction():
                place.replica.journal.mark_read([number for number in unread if wanted is None or number in wanted])

        await self._desk.ask(work)
        return Done()


def _pending(place: Workplace) -> records.PendingEdits:
    waiting = place.replica.pending()
    names = place.usernames()
    return records.PendingEdits(
        total=len(waiting), rows=[_pending_edit(place, made, names) for made in waiting[:MAX_PAGE]]
    )


def _pending_edit(place: Workplace, made: PendingOperation, names: dict[str, str]) -> records.PendingEdit:
    row = place.replica.row(made.entity, made.row_id)
    fields = made.fields if row is None else row.fields
    name = fields.get("username") or fields.get("name") or _key_of(made.entity, made.row_id)
    return records.PendingEdit(
        op_id=made.op_id,
        entity=made.entity,
        row_id=made.row_id,
        name=str(name),
        fields=without_secrets(made.fields),
        actor_id=made.actor,
        actor=names.get(made.actor),
        made_ms=stamp_ms(made.updated_at) or 0,
        is_sent=made.op_no is not None,
    )


def _conflicts(place: Workplace, params: records.ConflictsParams) -> records.Conflicts:
    kept = place.replica.conflicts()
    names = place.usernames()
    is_open = [one for one in kept if one.is_open]
    shown = is_open if params.only_open else kept
    rows: list[records.ConflictRow] = []
    room = PAGE_CHARS
    for one in reversed(shown):
        if params.before is not None and one.number >= params.before:
            continue
        row = _conflict_row(place, one, names)
        room -= len(str(row.here)) + len(str(row.server))
        if len(rows) >= params.limit or (rows and room < 0):
            break
        rows.append(row)
    return records.Conflicts(total=len(shown), open=len(is_open), rows=rows)


def _conflict_row(place: Workplace, one: KeptConflict, names: dict[str, str]) -> records.ConflictRow:
    server = one.server_row or {}
    return records.ConflictRow(
        number=one.number,
        at_ms=one.at_ms,
        entity=one.entity,
        row_id=one.row_id,
        name=_key_of(one.entity, one.name),
        outcome=one.outcome,
        code=one.code,
        sentence=one.sentence,
        actor_id=one.actor,
        actor=names.get(one.actor),
        here=one.desktop_fields,
        here_ms=stamp_ms(one.desktop_stamp),
        server=server.get("fields"),
        server_ms=stamp_ms(server.get("updated_at")),
        server_by=who(server.get("updated_by"), names),
        resolution=one.resolution,
        can_restore=_why_not_restorable(place, one) is None,
        is_read=one.is_read,
    )


def _open_conflict(place: Workplace, number: int) -> KeptConflict:
    found = next((one for one in place.replica.conflicts() if one.number == number), None)
    if found is None:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such conflict", "number")
    if not found.is_open:
        raise EditRefusedError("already_decided", "nothing is left to decide about this conflict")
    return found


def _why_not_restorable(place: Workplace, one: KeptConflict) -> str | None:
    if not one.is_open:
        return "nothing is left to decide about this conflict"
    if has_password(one.desktop_fields):
        return "a password is not kept: set it anew"
    address = parse_config_id(one.row_id) if one.entity is EditableEntity.CONFIG else None
    if one.entity is EditableEntity.CONFIG:
        return None if address is not None and address.scope is ConfigScope.DEVICE else "it is not of this desktop"
    return None if place.replica.row(one.entity, one.row_id) is not None else "what it changed is not here any more"


def _restore(place: Workplace, actor: LocalSession, number: int) -> None:
    """Make the lost edit once more, with the rights of whoever restores it; the conflict is then decided."""
    found = _open_conflict(place, number)
    reason = _why_not_restorable(place, found)
    if reason is not None:
        raise EditRefusedError("cannot_restore", reason)
    mask: dict[str, Any] = found.desktop_fields
    match found.entity:
        case EditableEntity.USERS:
            place.editor.restore_user(actor, found.row_id, mask)
        case EditableEntity.ROLES:
            place.editor.restore_role(actor, found.row_id, mask)
        case EditableEntity.CONFIG:
            key = _key_of(found.entity, found.row_id)
            if mask.get("deleted"):
                place.editor.clear_config(actor, key)
            else:
                place.editor.set_config(actor, key, mask.get("value"))
    with place.replica.database.transaction():
        place.replica.journal.resolve(found.number, "restored")


def _key_of(entity: EditableEntity, name: str) -> str:
    """Return the name of a row as people know it: of a config entry its key."""
    address = parse_config_id(name) if entity is EditableEntity.CONFIG else None
    return name if address is None else address.key
