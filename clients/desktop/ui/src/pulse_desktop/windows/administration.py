"""People, roles, configuration, edits under way and conflicts, each in a tab of its own for who may see it."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QTabWidget, QVBoxLayout, QWidget

from pulse_contracts.local_records import Conflicts, ConflictsParams
from pulse_contracts.local_status import Connection, Status
from pulse_contracts.permissions import Permission
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import button, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.config_page import ConfigPage
from pulse_desktop.windows.conflicts_page import ConflictsPage
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.pending_page import PendingPage
from pulse_desktop.windows.roles_page import RolesPage
from pulse_desktop.windows.users_page import UsersPage


class AdministrationDialog(QDialog):
    """The administration. A tab is there only for who has the right to see what is in it."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        words = self._texts.administration
        self.setWindowTitle(words.title)
        self.resize(900, 620)
        self.offline = Note()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(words.title)
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.users: UsersPage | None = None
        self.roles: RolesPage | None = None
        self.config: ConfigPage | None = None
        self.pending: PendingPage | None = None
        self.conflicts: ConflictsPage | None = None
        if context.may(Permission.USERS_READ):
            self.users = UsersPage(context)
            self.tabs.addTab(self.users, words.users)
        if context.may(Permission.ROLES_READ):
            self.roles = RolesPage(context)
            self.tabs.addTab(self.roles, words.roles)
        if context.may(Permission.CONFIG_READ):
            self.config = ConfigPage(context)
            self.tabs.addTab(self.config, words.config)
        if context.may(Permission.SYNC_READ):
            self.pending = PendingPage(context)
            self.tabs.addTab(self.pending, words.pending)
            self.conflicts = ConflictsPage(context, self._count_conflicts)
            self.tabs.addTab(self.conflicts, words.conflicts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, PAD, PAD, PAD)
        layout.setSpacing(10)
        layout.addWidget(self.offline)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(row(None, button(self._texts.general.close, self.close)))
        context.bridge.status_changed.connect(self._take_status)
        if context.bridge.status is not None:
            self._take_status(context.bridge.status)
        if self.conflicts is not None:
            params = ConflictsParams(only_open=True, limit=1)
            context.bridge.ask(self, "conflicts.list", params, self._count, lambda _: None)

    def _take_status(self, status: Status) -> None:
        is_reached = status.connection.state in (Connection.ONLINE, Connection.DRAINING)
        words = self._texts.administration
        self.offline.say(Tone.WARN, "" if is_reached else words.offline_note)
        if self.pending is not None:
            count = status.sync.pending
            text = words.pending_count.format(count=count) if count else words.pending
            self.tabs.setTabText(self.tabs.indexOf(self.pending), text)

    def _count(self, conflicts: Conflicts) -> None:
        self._count_conflicts(conflicts.open)

    def _count_conflicts(self, count: int) -> None:
        if self.conflicts is not None:
            words = self._texts.administration
            text = words.conflicts_count.format(count=count) if count else words.conflicts
            self.tabs.setTabText(self.tabs.indexOf(self.conflicts), text)
