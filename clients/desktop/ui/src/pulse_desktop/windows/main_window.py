"""The main window: which page is shown when, the header with the connection, notices, and the way to the other windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pulse_contracts.local_people import WhoAmI
from pulse_contracts.local_protocol import Notice
from pulse_contracts.local_records import LogLevel
from pulse_contracts.local_status import Mode, Status
from pulse_contracts.local_updates import UpdateStatus
from pulse_contracts.permissions import Permission
from pulse_desktop.link.state import LinkPhase, LinkState
from pulse_desktop.model.access import session_view
from pulse_desktop.model.connection import agent_death, connection_view
from pulse_desktop.model.notices import notice_sentence
from pulse_desktop.model.update import update_view
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.turns import in_own_turn
from pulse_desktop.widgets.basics import allow, button, label
from pulse_desktop.widgets.logo import Logo
from pulse_desktop.widgets.status import Badge, Note
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.page_assistant import AssistantPage
from pulse_desktop.windows.page_home import HomePage
from pulse_desktop.windows.page_sign_in import SignInPage
from pulse_desktop.windows.page_waiting import WaitingPage
from pulse_desktop.windows.windows import Windows

TICK_MS: Final = 1_000
AHEAD_MS: Final = 300
"""The page that follows is made while a password is typed."""
MENDED_MS: Final = 12_000
"""How long it is said that the agent runs again."""
_TONES: Final = {
    LogLevel.WARNING: Tone.WARN,
    LogLevel.ERROR: Tone.BAD,
    LogLevel.CRITICAL: Tone.BAD,
}


class MainWindow(QMainWindow):
    """One of the windows of this process; all show the same agent and the same session."""

    def __init__(self, context: Context, windows: Windows) -> None:
        super().__init__()
        self._context = context
        self._texts = context.texts
        self._windows = windows
        self._dialogs: dict[str, QDialog] = {}
        self._was_lost = False
        self._reason = ""
        self.pages = QStackedWidget()
        self.waiting = WaitingPage(context)
        self.sign_in: SignInPage | None = None
        self.home: HomePage | None = None
        self.assistant: AssistantPage | None = None
        self.pages.addWidget(self.waiting)
        self._shown: QWidget = self.waiting
        self.badge = Badge()
        self.device = label("", "soft")
        self.account = QPushButton()
        self.agent_note = Note()
        self.notice = Note(action=button(self._texts.home.look, self._look_at_notice))
        self.lease_note = Note()
        self._notice_target = "administration"
        self.update_line = button("", self.open_update, "link")
        self._buttons: dict[str, QPushButton] = {}
        self.setWindowTitle(self._texts.general.product)
        self.setMinimumWidth(720)
        self.resize(960, 780)
        self._lay_out()
        self._make_menus()
        bridge = context.bridge
        bridge.link_changed.connect(self._take_link)
        bridge.status_changed.connect(self._take_status)
        bridge.session_changed.connect(self._take_session)
        bridge.notice_came.connect(self._take_notice)
        bridge.update_changed.connect(self._take_update)
        self._clock = QTimer(self, interval=TICK_MS)
        self._clock.timeout.connect(self._tick)
        self._clock.start()
        self._mended = QTimer(self, singleShot=True, interval=MENDED_MS)
        self._mended.timeout.connect(self._tick)
        self._show_update()
        self._tick()

    # -- other windows ----------------------------------------------------------------------------------------------

    def open_settings(self) -> QDialog:
        """Show the settings."""
        from pulse_desktop.windows.settings import SettingsDialog

        return self._open("settings", lambda: SettingsDialog(self._context, self))

    def open_administration(self) -> QDialog:
        """Show people, roles, configuration, edits under way and conflicts."""
        from pulse_desktop.windows.administration import AdministrationDialog

        return self._open("administration", lambda: AdministrationDialog(self._context, self))

    def open_records(self) -> QDialog:
        """Show quarantine and losses."""
        from pulse_desktop.windows.records import RecordsDialog

        return self._open("records", lambda: RecordsDialog(self._context, self))

    def open_logs(self) -> QDialog:
        """Show the agent's log."""
        from pulse_desktop.windows.logs import LogsDialog

        return self._open("logs", lambda: LogsDialog(self._context, self))

    def open_about(self) -> QDialog:
        """Show versions and licences."""
        from pulse_desktop.windows.about import AboutDialog

        return self._open("about", lambda: AboutDialog(self._context, self, self.open_update))

    def open_update(self) -> QDialog:
        """Show whether there is a newer version."""
        from pulse_desktop.windows.update import UpdateDialog

        return self._open("update", lambda: UpdateDialog(self._context, self))

    def _open(self, name: str, make: Callable[[], QDialog]) -> QDialog:
        found = self._dialogs.get(name)
        if found is None:
            found = make()
            found.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            found.destroyed.connect(lambda: self._dialogs.pop(name, None))
            self._dialogs[name] = found
        found.show()
        found.raise_()
        found.activateWindow()
        return found

    # -- what comes -------------------------------------------------------------------------------------------------

    def _take_link(self, link: LinkState) -> None:
        if link.phase is LinkPhase.LOST:
            self._was_lost = True
        elif link.phase is LinkPhase.CONNECTED and self._was_lost:
            self._was_lost = False
            self._mended.start()
        self.choose_page()
        self._tick()

    def _take_status(self, status: Status) -> None:
        name = status.device.name or status.device.device_id if status.device is not None else ""
        if self.device.text() != name:
            self.device.setText(name)
        self.choose_page()
        self._tick()

    def _take_session(self, who: WhoAmI) -> None:
        home = self._texts.home
        if who.session is None:
            for dialog in list(self._dialogs.values()):
                dialog.close()
            self.notice.say(Tone.INFO, "")
        reason = ""
        if who.reason == "agent_gone":
            reason = home.agent_was_gone
        elif who.reason is not None:
            reason = self._texts.problem(who.reason, who.message or home.session_ended)
        self._reason = reason
        self.choose_page()
        self._tick()

    def _take_notice(self, notice: Notice) -> None:
        self._notice_target = "administration" if notice.kind == "edit_undone" else "records"
        self.notice.say(_TONES.get(notice.level, Tone.INFO), notice_sentence(notice, self._texts))

    def _take_update(self, _update: UpdateStatus) -> None:
        self._show_update()

    def _show_update(self) -> None:
        bridge = self._context.bridge
        line = update_view(bridge.update, "", self._context.now(), self._texts).line
        self.update_line.setText(line)
        self.update_line.setAccessibleName(line)
        self.update_line.setVisible(bool(line))

    def _look_at_notice(self) -> None:
        self.notice.say(Tone.INFO, "")
        if self._notice_target == "records":
            self.open_records()
        else:
            self.open_administration()

    # -- how it looks -----------------------------------------------------------------------------------------------

    def choose_page(self) -> None:
        """Show the page that is due. One that is wanted for the first time is made, and shown in the next turn."""
        count = self.pages.count()
        page = self._page()
        if self.pages.count() > count:
            in_own_turn(self, self.choose_page)
            return
        if page is not self._shown:
            self._shown = page
            self.pages.setCurrentWidget(page)
        elif not self._reason:
            return
        if page is self.sign_in:
            self.sign_in.open(self._reason)
            self._reason = ""

    def _page(self) -> QWidget:
        """Return which page is to be seen."""
        bridge = self._context.bridge
        if bridge.status is None:
            return self.waiting
        if bridge.link.phase is not LinkPhase.CONNECTED:
            return self._shown if self._shown is self.home else self.waiting
        if bridge.status.mode is Mode.UNENROLLED:
            return self._page_of_assistant()
        return self._page_of_sign_in() if bridge.session is None else self._page_of_home()

    def _page_of_home(self) -> HomePage:
        if self.home is None:
            self.home = HomePage(self._context)
            self.pages.addWidget(self.home)
        return self.home

    def _page_of_sign_in(self) -> SignInPage:
        if self.sign_in is None:
            self.sign_in = SignInPage(self._context)
            self.pages.addWidget(self.sign_in)
            QTimer.singleShot(AHEAD_MS, self, self._page_of_home)
        return self.sign_in

    def _page_of_assistant(self) -> AssistantPage:
        if self.assistant is None:
            self.assistant = AssistantPage(self._context)
            self.pages.addWidget(self.assistant)
        return self.assistant

    def _tick(self) -> None:
        bridge, now, home = self._context.bridge, self._context.now(), self._texts.home
        view = connection_view(bridge.link, bridge.status, now, self._texts)
        self.badge.show_state(view.tone, view.word)
        self.badge.setToolTip(view.sentence)
        if bridge.link.phase is LinkPhase.LOST:
            self.agent_note.say(Tone.BAD, agent_death(bridge.link, now, self._texts))
        elif bridge.link.phase is LinkPhase.INCOMPATIBLE:
            self.agent_note.say(Tone.BAD, view.why)
        elif self._mended.isActive():
            self.agent_note.say(Tone.OK, home.agent_mended.of(max(1, bridge.link.restarts)))
        else:
            self.agent_note.say(Tone.INFO, "")
        session = bridge.session
        self.account.setVisible(session is not None)
        if session is None:
            self.lease_note.say(Tone.INFO, "")
        else:
            seen = session_view(session, now, self._texts)
            self.account.setText(seen.name)
            self.account.setAccessibleName(home.account.format(name=seen.name))
            self.account.setToolTip(f"{seen.state}. {seen.lease}")
            self.lease_note.say(seen.tone, seen.warning)
        self._allow_actions()

    def _allow_actions(self) -> None:
        context = self._context
        is_in = context.bridge.session is not None
        needs = {
            "settings": None,
            "administration": (
                Permission.USERS_READ,
                Permission.ROLES_READ,
                Permission.CONFIG_READ,
                Permission.SYNC_READ,
            ),
            "records": (Permission.TELEMETRY_READ,),
            "logs": (Permission.SYSTEM_READ,),
        }
        for name, rights in needs.items():
            can = is_in and (rights is None or any(context.may(right) for right in rights))
            reason = context.lacks(rights[0]) if is_in and rights else self._texts.problem("not_signed_in", "")
            allow(self._buttons[name], can, reason)
            self._actions[name].setEnabled(can)
        can_sync = is_in and context.bridge.link.phase is LinkPhase.CONNECTED
        self._actions["sync"].setEnabled(can_sync)
        self._footer.setVisible(is_in)

    def _show_account(self) -> None:
        session = self._context.bridge.session
        if session is None:
            return
        seen = session_view(session, self._context.now(), self._texts)
        menu = QMenu(self)
        for text in (seen.roles, seen.state, seen.lease):
            if text:
                menu.addAction(text).setEnabled(False)
        menu.addSeparator()
        menu.addAction(self._texts.home.sign_out).triggered.connect(self.sign_out)
        menu.popup(self.account.mapToGlobal(self.account.rect().bottomLeft()))

    def sign_out(self) -> None:
        """End the session of this process."""
        self._context.bridge.sign_out(self)

    def _lay_out(self) -> None:
        home, general = self._texts.home, self._texts.general
        header = QFrame()
        header.setProperty("panel", "bar")
        top = QHBoxLayout(header)
        top.setContentsMargins(PAD, 10, PAD, 10)
        top.setSpacing(12)
        self.account.setProperty("role", "quiet")
        self.account.clicked.connect(self._show_account)
        top.addWidget(Logo())
        top.addWidget(label(general.product, "heading"))
        top.addWidget(self.device)
        top.addStretch(1)
        top.addWidget(self.badge)
        top.addWidget(self.account)
        notes = QVBoxLayout()
        notes.setContentsMargins(PAD, 0, PAD, 0)
        notes.setSpacing(8)
        for note in (self.agent_note, self.lease_note, self.notice):
            notes.addWidget(note)
        self._footer = QWidget()
        bottom = QHBoxLayout(self._footer)
        bottom.setContentsMargins(PAD, 0, PAD, PAD)
        bottom.setSpacing(8)
        for name, text, act in (
            ("settings", home.settings, self.open_settings),
            ("administration", home.administration, self.open_administration),
            ("records", home.records, self.open_records),
            ("logs", home.logs, self.open_logs),
        ):
            self._buttons[name] = button(text, act)
            bottom.addWidget(self._buttons[name])
        bottom.addStretch(1)
        bottom.addWidget(self.update_line)
        self.exit = button(general.exit, self._windows.quit, "quiet")
        bottom.addWidget(self.exit)
        middle = QWidget()
        middle.setProperty("page", True)
        body = QVBoxLayout(middle)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(12)
        body.addWidget(header)
        body.addLayout(notes)
        body.addWidget(self.pages, 1)
        body.addWidget(self._footer)
        self.setCentralWidget(middle)

    def _make_menus(self) -> None:
        home, general = self._texts.home, self._texts.general
        bar = self.menuBar()
        file, tools, about = (bar.addMenu(name) for name in (home.menu_file, home.menu_tools, home.menu_help))
        self._actions: dict[str, QAction] = {}
        for name, menu, text, act, key in (
            ("new", file, general.new_window, self._windows.open, "Ctrl+N"),
            ("settings", file, home.settings, self.open_settings, "Ctrl+,"),
            ("sign_out", file, home.sign_out, self.sign_out, ""),
            ("exit", file, general.exit, self._windows.quit, "Ctrl+Q"),
            ("sync", tools, home.sync_now, self._sync_now, "F5"),
            ("administration", tools, home.administration, self.open_administration, "Ctrl+U"),
            ("records", tools, home.records, self.open_records, "Ctrl+R"),
            ("logs", tools, home.logs, self.open_logs, "Ctrl+L"),
            ("update", about, self._texts.updates.menu, self.open_update, ""),
            ("about", about, general.about, self.open_about, "F1"),
        ):
            action = QAction(text, self)
            action.triggered.connect(lambda _=False, act=act: act())
            if key:
                action.setShortcut(QKeySequence(key))
            menu.addAction(action)
            self._actions[name] = action

    def _sync_now(self) -> None:
        if self.home is not None and self._context.bridge.session is not None:
            self.home.sync.sync_now()

    # -- closing ----------------------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 # Qt's name
        """Go, or stay in the tray; the agent goes on in any case."""
        self._windows.closing(self)
        event.accept()
