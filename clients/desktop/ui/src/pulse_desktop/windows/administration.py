"""People, roles, configuration, edits under way and conflicts, each in a tab of its own for who may see it."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QTabWidget, QVBoxLayout, QWidget

from pulse_contracts.local_records import Conflicts, ConflictsParams
from pulse_contracts.local_status import Connection, Status
from pulse_contracts.permissions import Permission
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import button, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.lazy_tab import LazyTab
from pulse_desktop.windows.list_page import ListPage


class AdministrationDialog(QDialog):
    """The administration. A tab is there only for who has the right to see what is in it, and made when it is looked at."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        words = self._texts.administration
        self.setWindowTitle(words.title)
        self.resize(1080, 640)
        self.offline = Note()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(words.title)
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self._tabs: dict[str, LazyTab] = {}
        for name, text, right, make in (
            ("users", words.users, Permission.USERS_READ, self._users),
            ("roles", words.roles, Permission.ROLES_READ, self._roles),
            ("config", words.config, Permission.CONFIG_READ, self._config),
            ("pending", words.pending, Permission.SYNC_READ, self._pending),
            ("conflicts", words.conflicts, Permission.SYNC_READ, self._conflicts),
        ):
            if context.may(right):
                self._tabs[name] = LazyTab(make)
                self.tabs.addTab(self._tabs[name], text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, PAD, PAD, PAD)
        layout.setSpacing(10)
        layout.addWidget(self.offline)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(row(None, button(self._texts.general.close, self.close)))
        context.bridge.status_changed.connect(self._take_status)
        if context.bridge.status is not None:
            self._take_status(context.bridge.status)
        if "conflicts" in self._tabs:
            params = ConflictsParams(only_open=True, limit=1)
            context.bridge.ask(self, "conflicts.list", params, self._count, lambda _: None)

    def open_tab(self, name: str) -> None:
        """Show a tab. Raises KeyError for one that the person may not see."""
        self.tabs.setCurrentWidget(self._tabs[name])

    def page(self, name: str) -> ListPage:
        """Return the page of a tab. Raises KeyError for one that the person may not see."""
        return self._tabs[name].page()

    def _users(self) -> ListPage:
        from pulse_desktop.windows.users_page import UsersPage

        return UsersPage(self._context)

    def _roles(self) -> ListPage:
        from pulse_desktop.windows.roles_page import RolesPage

        return RolesPage(self._context)

    def _config(self) -> ListPage:
        from pulse_desktop.windows.config_page import ConfigPage

        return ConfigPage(self._context)

    def _pending(self) -> ListPage:
        from pulse_desktop.windows.pending_page import PendingPage

        return PendingPage(self._context)

    def _conflicts(self) -> ListPage:
        from pulse_desktop.windows.conflicts_page import ConflictsPage

        return ConflictsPage(self._context, self._count_conflicts)

    def _take_status(self, status: Status) -> None:
        is_reached = status.connection.state in (Connection.ONLINE, Connection.DRAINING)
        words = self._texts.administration
        self.offline.say(Tone.WARN, "" if is_reached else words.offline_note)
        count = status.sync.pending
        self._name_tab("pending", words.pending_count.format(count=count) if count else words.pending)

    def _count(self, conflicts: Conflicts) -> None:
        self._count_conflicts(conflicts.open)

    def _count_conflicts(self, count: int) -> None:
        words = self._texts.administration
        self._name_tab("conflicts", words.conflicts_count.format(count=count) if count else words.conflicts)

    def _name_tab(self, name: str, text: str) -> None:
        if name in self._tabs:
            self.tabs.setTabText(self.tabs.indexOf(self._tabs[name]), text)
