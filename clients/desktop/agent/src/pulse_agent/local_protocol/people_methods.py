"""`users.*` and `roles.*`: lists with pending marks, and edits by the editor, which looks at every right anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_protocol.calls import Call, Handler
from pulse_agent.local_protocol.desk import Desk, Workplace
from pulse_agent.local_protocol.row_views import pending_marks, role_row, sorted_page, user_row, with_deleted
from pulse_contracts import local_people as people
from pulse_contracts.local_status import Done

Edit = Callable[[Workplace, LocalSession, Any], str | None]


def people_methods(desk: Desk) -> Mapping[str, Handler]:
    """Return the methods on people and roles."""

    def edit(work: Edit) -> Handler:
        async def handler(call: Call, params: Any) -> Done | people.Made:
            actor = call.session
            made = await desk.ask(lambda place: work(place, actor, params), is_edit=True)
            return Done() if made is None else people.Made(id=made)

        return handler

    async def list_users(call: Call, params: people.PageParams) -> people.Users:
        return await desk.ask(lambda place: _users(place, call.session, params))

    async def list_roles(call: Call, params: people.PageParams) -> people.Roles:
        return await desk.ask(lambda place: _roles(place, call.session, params))

    return {
        "users.list": list_users,
        "users.create": edit(lambda w, s, p: w.editor.create_user(s, p.username, p.password, p.email, p.roles)),
        "users.edit": edit(lambda w, s, p: w.editor.edit_user(s, p.id, p.username, p.email)),
        "users.set_active": edit(lambda w, s, p: w.editor.set_active(s, p.id, is_active=p.is_active)),
        "users.set_password": edit(lambda w, s, p: w.editor.set_password(s, p.id, p.password)),
        "users.change_roles": edit(lambda w, s, p: w.editor.change_roles(s, p.id, p.added, p.removed)),
        "users.delete": edit(lambda w, s, p: w.editor.delete_user(s, p.id)),
        "roles.list": list_roles,
        "roles.create": edit(lambda w, s, p: w.editor.create_role(s, p.name, p.description, p.permissions)),
        "roles.edit": edit(lambda w, s, p: w.editor.edit_role(s, p.id, p.name, p.description)),
        "roles.change_permissions": edit(lambda w, s, p: w.editor.change_permissions(s, p.id, p.added, p.removed)),
        "roles.delete": edit(lambda w, s, p: w.editor.delete_role(s, p.id)),
    }


def _users(place: Workplace, session: LocalSession, params: people.PageParams) -> people.Users:
    replica = place.replica
    marks = pending_marks(replica.pending(), "users")
    rows = with_deleted(place.editor.users(session), replica.base_rows("users"), marks)
    names = {row.id: str(row.fields.get("username") or "") for row in rows}
    total, page = sorted_page(rows, "username", params.search, params.offset, params.limit)
    return people.Users(total=total, rows=[user_row(row, marks.get(row.id), names) for row in page])


def _roles(place: Workplace, session: LocalSession, params: people.PageParams) -> people.Roles:
    replica = place.replica
    marks = pending_marks(replica.pending(), "roles")
    rows = with_deleted(place.editor.roles(session), replica.base_rows("roles"), marks)
    users = replica.rows("users").values()
    names = {row.id: str(row.fields.get("username") or "") for row in users}
    holders = Counter(str(role) for row in users for role in row.fields.get("roles") or ())
    total, page = sorted_page(rows, "name", params.search, params.offset, params.limit)
    return people.Roles(total=total, rows=[role_row(row, marks.get(row.id), names, holders[row.id]) for row in page])
