"""Edits that met another's: both versions side by side, and a choice."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QSplitter

from pulse_contracts.local_people import PageParams, Roles, Users
from pulse_contracts.local_records import ConflictRow, Conflicts, ConflictsParams, NumberParams
from pulse_contracts.permissions import Permission
from pulse_desktop.model.conflicts import ConflictView, conflict_view
from pulse_desktop.widgets.basics import Card, allow, button, label, row
from pulse_desktop.widgets.status import Badge
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage

MAX_ROWS = 500


class ConflictsPage(ListPage):
    """Needs `sync:read`; deciding needs `sync:resolve`."""

    def __init__(self, context: Context, on_count: Callable[[int], None]) -> None:
        words = context.texts.administration
        table = Table(words.conflicts, (words.what, words.state, words.who, words.made), (0, 1))
        super().__init__(context, table, frozenset({"conflicts"}))
        self._on_count = on_count
        self._names: dict[str, str] = {}
        self.only_open = QCheckBox(words.only_open)
        self.only_open.setAccessibleName(words.only_open)
        self.only_open.setChecked(True)
        self.only_open.toggled.connect(lambda _: self.load())
        self.sides = Table(words.field, (words.field, words.here, words.server), (1, 2))
        self.title = label("", "heading")
        self.outcome = Badge()
        self.resolution = label("", "soft", wraps=True)
        self.take_mine = button(words.take_mine, lambda: self._decide("conflicts.restore"))
        self.leave = button(words.leave, lambda: self._decide("conflicts.accept"))
        self.detail = Card()
        for widget in (self.title, self.outcome, self.sides, self.resolution):
            self.detail.column.addWidget(widget)
        self.detail.column.addLayout(row(None, self.leave, self.take_mine))
        self.page.insertLayout(0, row(self.only_open, None))
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(10)
        self.page.addWidget(splitter, 1)
        splitter.addWidget(self.contents)
        splitter.addWidget(self.detail)
        table.selectionModel().selectionChanged.connect(lambda *_: self._show_chosen())
        self._show_chosen()
        self._ask_names()
        self.load()

    def load(self) -> None:
        """Ask for the conflicts."""
        self.ask("conflicts.list", ConflictsParams(only_open=self.only_open.isChecked(), limit=MAX_ROWS), self._take)

    def _ask_names(self) -> None:
        bridge, page = self.context.bridge, PageParams(limit=MAX_ROWS)
        if self.context.may(Permission.ROLES_READ):
            bridge.ask(self, "roles.list", page, self._take_roles, lambda _: None)
        if self.context.may(Permission.USERS_READ):
            bridge.ask(self, "users.list", page, self._take_users, lambda _: None)

    def _take_roles(self, roles: Roles) -> None:
        self._names.update({role.id: role.name for role in roles.rows})
        self._show_chosen()

    def _take_users(self, users: Users) -> None:
        self._names.update({user.id: user.username for user in users.rows})
        self._show_chosen()

    def _take(self, found: Conflicts) -> None:
        words = self.texts.administration
        self._on_count(found.open)
        self.table.show_rows([self._row(conflict) for conflict in found.rows])
        if found.rows:
            self.contents.show_content()
            if self.table.chosen is None:
                self.table.choose(self.table.rows[0].key)
        else:
            self.contents.show_empty(words.no_conflicts, words.no_conflicts_hint)
        self._show_chosen()

    def _row(self, conflict: ConflictRow) -> Row:
        view = self._view(conflict)
        at = self.texts.format.moment(conflict.at_ms / 1000, self.context.now())
        cells = (
            Cell(view.title, tip=view.why),
            Cell(view.resolution or view.outcome, view.tone),
            Cell(conflict.actor or "—"),
            Cell(at),
        )
        return Row(str(conflict.number), cells, conflict)

    def _view(self, conflict: ConflictRow) -> ConflictView:
        return conflict_view(conflict, self._names, self.texts)

    def _show_chosen(self) -> None:
        conflict: ConflictRow | None = self.table.chosen
        self.detail.setVisible(conflict is not None)
        if conflict is None:
            return
        view = self._view(conflict)
        self.title.setText(view.title)
        self.outcome.show_state(view.tone, view.outcome)
        self.sides.show_rows(
            [Row(side.field, (Cell(side.field), Cell(side.here), Cell(side.server))) for side in view.sides]
        )
        self.resolution.setText(view.resolution or view.why)
        self.resolution.setVisible(bool(self.resolution.text()))
        may, lacks = self.context.may(Permission.SYNC_RESOLVE), self.context.lacks(Permission.SYNC_RESOLVE)
        allow(self.take_mine, may and view.can_decide and conflict.can_restore, view.resolution if may else lacks)
        allow(self.leave, may and view.can_decide, view.resolution if may else lacks)

    def _decide(self, method: str) -> None:
        conflict: ConflictRow | None = self.table.chosen
        if conflict is None:
            return
        words = self.texts.administration
        said = words.resolved_restored if method == "conflicts.restore" else words.resolved_accepted
        self.change(method, NumberParams(number=conflict.number), said)
