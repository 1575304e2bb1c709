"""The icon in the tray: the state at a glance, notices, and the way back to the window. Absent where there is no tray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from pulse_contracts.local_protocol import Notice
from pulse_contracts.local_records import LogLevel
from pulse_contracts.local_status import Connection, Status
from pulse_desktop.link.state import LinkPhase, LinkState
from pulse_desktop.model.connection import connection_view
from pulse_desktop.model.notices import notice_sentence
from pulse_desktop.theme.tokens import COLOURS, Theme, Tone
from pulse_desktop.widgets.logo import tray_icon
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.windows import Windows

SHOWN_MS: Final = 10_000
SETTLE_MS: Final = 4_000
"""A connection that flaps is not worth a notice each time: it is told once it has stayed so for this long."""
_TOLD: Final = frozenset({Connection.ONLINE, Connection.OFFLINE_BUFFERING})


class Tray(QObject):
    """Shown while the program runs."""

    def __init__(self, context: Context, windows: Windows, on_show: Callable[[], None]) -> None:
        super().__init__()
        self._context = context
        self._texts = context.texts
        self._tone: Tone | None = None
        self._told: Connection | None = None
        self.icon = QSystemTrayIcon()
        self._menu = QMenu()
        self._show_item = self._menu.addAction("")
        self._new_item = self._menu.addAction("")
        self._menu.addSeparator()
        self._exit_item = self._menu.addAction("")
        self._show_item.triggered.connect(lambda _: on_show())
        self._new_item.triggered.connect(lambda _: windows.open())
        self._exit_item.triggered.connect(lambda _: windows.quit())
        self.icon.setContextMenu(self._menu)
        self.icon.activated.connect(lambda _: on_show())
        self.icon.messageClicked.connect(on_show)
        self._settled = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settled.timeout.connect(self._tell_connection)
        bridge = context.bridge
        bridge.status_changed.connect(self._take_status)
        bridge.link_changed.connect(self._take_link)
        bridge.notice_came.connect(self._take_notice)
        self.word_anew()
        self.icon.show()

    def word_anew(self) -> None:
        """Say everything in the language that is chosen now."""
        self._texts = self._context.texts
        general = self._texts.general
        self._show_item.setText(general.show)
        self._new_item.setText(general.new_window)
        self._exit_item.setText(general.exit)
        self._show()

    def hide(self) -> None:
        """Take the icon away."""
        self.icon.hide()

    def tell_hidden(self) -> None:
        """Say that the program goes on without a window."""
        self._say(Tone.INFO, self._texts.general.hidden_in_tray)

    def _take_status(self, _status: Status) -> None:
        self._show()

    def _take_link(self, link: LinkState) -> None:
        if link.phase is LinkPhase.LOST and self._tone is not Tone.BAD:
            self._say(Tone.BAD, self._texts.home.agent_lost)
        self._show()

    def _take_notice(self, notice: Notice) -> None:
        is_bad = notice.level in (LogLevel.ERROR, LogLevel.CRITICAL)
        tone = Tone.BAD if is_bad else Tone.WARN if notice.level is LogLevel.WARNING else Tone.INFO
        self._say(tone, notice_sentence(notice, self._texts))

    def _show(self) -> None:
        bridge, texts = self._context.bridge, self._texts
        view = connection_view(bridge.link, bridge.status, self._context.now(), texts)
        buffered = bridge.status.backlog.readings if bridge.status is not None else 0
        self.icon.setToolTip(
            texts.home.tray_tip.format(
                product=texts.general.product, state=view.word, buffered=texts.format.number(buffered)
            )
        )
        if view.tone is not self._tone:
            self._tone = view.tone
            self.icon.setIcon(tray_icon(view.tone, COLOURS[Theme.DARK].of(view.tone)))
        state = bridge.status.connection.state if bridge.status is not None else None
        if self._told is None and state in _TOLD:
            self._told = state
        elif state in _TOLD and state is not self._told:
            if not self._settled.isActive():
                self._settled.start()
        else:
            self._settled.stop()

    def _tell_connection(self) -> None:
        bridge = self._context.bridge
        if bridge.status is None:
            return
        self._told = bridge.status.connection.state
        view = connection_view(bridge.link, bridge.status, self._context.now(), self._texts)
        self._say(view.tone, f"{view.word}. {view.why}")

    def _say(self, tone: Tone, text: str) -> None:
        kinds = {
            Tone.BAD: QSystemTrayIcon.MessageIcon.Critical,
            Tone.WARN: QSystemTrayIcon.MessageIcon.Warning,
        }
        kind = kinds.get(tone, QSystemTrayIcon.MessageIcon.Information)
        self.icon.showMessage(self._texts.general.product, text, kind, SHOWN_MS)
