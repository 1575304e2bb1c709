"""The composition of the program: one bridge, its windows, the tray, the theme; and its self-test.

Only here are preferences, autostart and the agent's command put together. Guarantees: whatever ends this program leaves the
agent running.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from pulse_desktop.autostart import autostart_here
from pulse_desktop.bridge import Bridge
from pulse_desktop.link.state import LinkPhase
from pulse_desktop.options import Options, own_command, window_version
from pulse_desktop.preferences import Appearance, PreferencesFile
from pulse_desktop.single_instance import Call, SingleInstance, call_running
from pulse_desktop.theme.dresser import Dresser
from pulse_desktop.theme.style import is_dark_system
from pulse_desktop.theme.tokens import Theme
from pulse_desktop.turns import in_turns
from pulse_desktop.widgets.logo import program_icon
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.main_window import MainWindow

if TYPE_CHECKING:
    from pulse_desktop.windows.tray import Tray

SELF_TEST_SECONDS: Final = 60.0


class Desktop(QObject):
    """The program: its windows, and what they ask of it."""

    def __init__(self, application: QApplication, options: Options) -> None:
        super().__init__()
        self._application = application
        self._dresser = Dresser(application)
        self.bridge = Bridge(options.data, options.agent_command, window_version())
        self._preferences = PreferencesFile(options.data)
        self.context = Context(
            bridge=self.bridge,
            preferences=self._preferences,
            autostart=autostart_here(own_command(options.data)),
            version=window_version(),
            choices_changed=self._take_choices,
            has_tray=QSystemTrayIcon.isSystemTrayAvailable,
        )
        self.windows: list[MainWindow] = []
        self._outdated: list[MainWindow] = []
        self._is_reopening = False
        self._tray: Tray | None = None
        self._is_leaving = False
        self._chosen = self._preferences.value
        self.instance: SingleInstance | None = None
        application.styleHints().colorSchemeChanged.connect(lambda _: self._dress())
        self._dress()

    def start(self, options: Options) -> None:
        """Look for the agent and open the first window."""
        self.bridge.start()
        self.open()
        self.instance = SingleInstance(options.data, self._take_call)
        QTimer.singleShot(0, self._make_tray)

    def stop(self) -> None:
        """Let go of the agent, which goes on."""
        if self.instance is not None:
            self.instance.close()
        self.bridge.stop()

    # -- Windows ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open one more window."""
        window = self._make_window()
        self.windows.append(window)
        in_turns(window, self._fill(window))

    def closing(self, window: QWidget) -> None:
        """Forget a window; with the last one the program ends, unless it stays in the tray."""
        self.windows = [one for one in self.windows if one is not window]
        if self.windows or self._is_leaving:
            return
        if self._tray is not None and self._preferences.value.stays_in_tray:
            self._tray.tell_hidden()
        else:
            self._leave()

    def quit(self) -> None:
        """Ask, then close all windows."""
        if not self.windows:
            self._leave()
            return
        from pulse_desktop.windows.confirm import ConfirmDialog, Question

        texts = self.context.texts
        general = texts.general
        ConfirmDialog(
            self.windows[-1],
            texts,
            Question(general.exit_title, general.exit_question, general.exit_window, is_danger=False),
            self._leave,
        ).open()

    # -- inside -----------------------------------------------------------------------------------------------------

    def show_window(self) -> None:
        """Bring the newest window to the front, opening one where none is."""
        if not self.windows:
            self.open()
            return
        window = self.windows[-1]
        window.showNormal() if window.isMinimized() else window.show()
        window.raise_()
        window.activateWindow()

    def _take_call(self, call: Call) -> None:
        if call is Call.OPEN:
            self.open()
        else:
            self.show_window()

    def _leave(self) -> None:
        self._is_leaving = True
        for window in list(self.windows):
            window.close()
        self._application.quit()

    def _make_tray(self) -> None:
        if self.context.has_tray():
            from pulse_desktop.windows.tray import Tray

            self._tray = Tray(self.context, self, self.show_window)
            self._application.setQuitOnLastWindowClosed(False)

    def _take_choices(self) -> None:
        """Dress anew; with another language, open the windows anew."""
        before, self._chosen = self._chosen, self._preferences.value
        if before.appearance is not self._chosen.appearance:
            self._dress()
        if before.language is self._chosen.language:
            return
        self._outdated = list(self.windows)
        if not self._is_reopening:
            self._is_reopening = True
            in_turns(self, self._reopen())

    def _make_window(self) -> MainWindow:
        window = MainWindow(self.context, self)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return window

    def _fill(self, window: MainWindow) -> Iterator[None]:
        """Give a window its page, then show it: each is a turn's work."""
        window.choose_page()
        yield
        if window in self.windows:
            window.show()

    def _reopen(self) -> Iterator[None]:
        """Have each outdated window's place taken; a choice that is made meanwhile outdates all windows again."""
        try:
            while self._outdated:
                old = self._outdated.pop(0)
                if old in self.windows:
                    yield from self._replace(old)
        finally:
            self._is_reopening = False
        if self._tray is not None:
            self._tray.word_anew()

    def _replace(self, old: MainWindow) -> Iterator[None]:
        """Make a window and give it the place of `old`, unless that was closed, or is outdated again, meanwhile."""
        window = self._make_window()
        window.setGeometry(old.geometry())
        yield
        window.choose_page()
        yield
        if old in self.windows and old not in self._outdated:
            self.windows[self.windows.index(old)] = window
            window.show()
            old.hide()
            old.deleteLater()
        else:
            window.deleteLater()
        yield

    def _dress(self) -> None:
        chosen = self._preferences.value.appearance
        is_dark = is_dark_system(self._application) if chosen is Appearance.SYSTEM else chosen is Appearance.DARK
        self._dresser.dress(Theme.DARK if is_dark else Theme.LIGHT)


class SelfTest(QObject):
    """Waits until the window is shown and the agent has told its state, prints what was found, and ends the program."""

    def __init__(self, desktop: Desktop, leave: Callable[[int], None], started: float) -> None:
        super().__init__()
        self._desktop = desktop
        self._leave = leave
        self._started = started
        self._shown_after: float | None = None
        self._clock = QTimer(self, interval=20)
        self._clock.timeout.connect(self._look)
        self._clock.start()

    def _look(self) -> None:
        spent = time.monotonic() - self._started
        bridge = self._desktop.bridge
        window = self._desktop.windows[0] if self._desktop.windows else None
        if self._shown_after is None and window is not None and window.isVisible():
            self._shown_after = spent
        is_connected = bridge.link.phase is LinkPhase.CONNECTED and bridge.status is not None
        if is_connected and self._shown_after is not None:
            self._end(0, spent)
        elif spent > SELF_TEST_SECONDS:
            self._end(1, spent)

    def _end(self, code: int, spent: float) -> None:
        self._clock.stop()
        bridge = self._desktop.bridge
        found = {
            "ok": code == 0,
            "window_after_s": self._shown_after and round(self._shown_after, 3),
            "agent_after_s": round(spent, 3),
            "phase": bridge.link.phase.value,
            "detail": bridge.link.detail,
            "mode": bridge.status.mode.value if bridge.status is not None else None,
            "agent": bridge.status.versions.agent if bridge.status is not None else None,
            "agent_pid": bridge.status.pid if bridge.status is not None else None,
            "window": window_version(),
        }
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        self._leave(code)


def run(options: Options) -> int:
    """Run the program; return its exit code."""
    started = time.monotonic()
    application = QApplication(["pulse-desktop"])
    application.setApplicationName("PrecisionPulse")
    application.setDesktopFileName("precisionpulse")
    application.setWindowIcon(program_icon())
    if not options.is_self_test:
        call = Call.OPEN if options.opens_another else Call.RAISE
        if call_running(options.data, call):
            return 0
    gc.freeze()  # what was loaded stays: the collector need not walk it again while somebody types
    desktop = Desktop(application, options)
    desktop.start(options)
    if options.is_self_test:
        test = SelfTest(desktop, application.exit, started)
        application.aboutToQuit.connect(test.deleteLater)
    try:
        return application.exec()
    finally:
        desktop.stop()
