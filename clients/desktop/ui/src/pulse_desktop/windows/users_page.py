"""The people of this desktop: list, search, and what can be done with the one that is chosen."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLineEdit

from pulse_contracts.local_people import PageParams, RoleRow, Roles, UserActiveParams, UserRow, Users
from pulse_contracts.permissions import Permission
from pulse_desktop.model.people import pending_mark, role_names
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import allow, button, row
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage
from pulse_desktop.windows.user_editor import UserEditor

TYPING_MS = 250
"""The list is asked for anew when nobody types for so long."""
MAX_ROWS = 500


class UsersPage(ListPage):
    """Needs `users:read`; what changes anything needs `users:write` and is explained to who lacks it."""

    def __init__(self, context: Context) -> None:
        words = context.texts.administration
        titles = (words.name, words.email, words.roles_of, words.state, words.sync_state)
        table = Table(words.users, titles, (4,), self.edit)
        super().__init__(context, table, frozenset({"users", "roles", "pending"}))
        self.roles: dict[str, RoleRow] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText(context.texts.general.search)
        self.search.setAccessibleName(context.texts.general.search)
        self.search.setClearButtonEnabled(True)
        self.new = button(words.new_user, self._new, "primary")
        self.edit_one = button(words.edit, lambda: self.edit(self.table.chosen))
        self.active = button(words.deactivate, self._turn)
        self.delete = button(context.texts.general.delete, self._ask_delete, "danger")
        self.page.insertLayout(0, row(self.search, None, self.edit_one, self.active, self.delete, self.new))
        self.search.setMinimumWidth(220)
        self._typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        self._typing.timeout.connect(self.load)
        self.search.textEdited.connect(lambda _: self._typing.start())
        table.selectionModel().selectionChanged.connect(lambda *_: self._allow())
        self._allow()
        self.load()

    def load(self) -> None:
        """Ask for roles, for their names, and for people."""
        if self.context.may(Permission.ROLES_READ):
            params = PageParams(limit=MAX_ROWS)
            self.context.bridge.ask(self, "roles.list", params, self._take_roles, lambda _: None)
        self.ask("users.list", PageParams(limit=MAX_ROWS, search=self.search.text().strip()), self._take_users)

    def edit(self, user: UserRow | None) -> None:
        """Open the form of somebody."""
        if user is not None and self.context.may(Permission.USERS_WRITE):
            UserEditor(self.context, self, user, self.roles, self.kept).open()

    def _new(self) -> None:
        UserEditor(self.context, self, None, self.roles, self.kept).open()

    def _turn(self) -> None:
        user = self.table.chosen
        if user is not None:
            params = UserActiveParams(id=user.id, is_active=not user.is_active)
            self.change("users.set_active", params, self.texts.administration.kept)

    def _ask_delete(self) -> None:
        user: UserRow | None = self.table.chosen
        if user is not None:
            consequence = self.texts.administration.delete_user_text
            self.ask_delete("users.delete", user.id, user.username, consequence)

    def _take_roles(self, roles: Roles) -> None:
        self.roles = {role.id: role for role in roles.rows}
        if self.table.rows:
            self._fill([known.item for known in self.table.rows])

    def _take_users(self, users: Users) -> None:
        self._fill(users.rows)
        if users.rows:
            self.contents.show_content()
        else:
            self.contents.show_empty(self.texts.administration.no_users)
        self._allow()

    def _fill(self, users: list[UserRow]) -> None:
        self.table.show_rows([self._row(user) for user in users])

    def _row(self, user: UserRow) -> Row:
        words = self.texts.administration
        session = self.context.bridge.session
        is_self = session is not None and session.user_id == user.id
        mark = pending_mark(user.pending, self.texts)
        return Row(
            user.id,
            (
                Cell(f"{user.username} ({words.you})" if is_self else user.username),
                Cell(user.email or "—", is_faint=True),
                Cell(role_names(user, self.roles) or "—"),
                Cell(words.active, Tone.OK) if user.is_active else Cell(words.inactive, Tone.MUTE),
                Cell(mark.text, mark.tone),
            ),
            user,
        )

    def _allow(self) -> None:
        words = self.texts.administration
        user: UserRow | None = self.table.chosen
        session = self.context.bridge.session
        may = self.context.may(Permission.USERS_WRITE)
        lacks = self.context.lacks(Permission.USERS_WRITE)
        is_self = user is not None and session is not None and session.user_id == user.id
        allow(self.new, may, lacks)
        allow(self.edit_one, may and user is not None, "" if may else lacks)
        for control in (self.active, self.delete):
            allow(control, may and user is not None and not is_self, words.not_yourself if may and is_self else lacks)
        self.active.setText(words.activate if user is not None and not user.is_active else words.deactivate)
        self.active.setAccessibleName(self.active.text())
