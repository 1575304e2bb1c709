"""Takes a picture of each window in both themes, and of the main ones in German: docs/screens/desktop/*.png.

Runs without a screen and without a server: a scripted agent tells of a small world. `pictures.py [FOLDER] [NAME…]`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HERE: Final = Path(__file__).resolve().parent

from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402

from pulse_contracts.local_people import SignInParams  # noqa: E402
from pulse_contracts.local_protocol import ErrorBody  # noqa: E402
from pulse_contracts.local_records import Conflicts, Quarantine  # noqa: E402
from pulse_contracts.local_status import Status  # noqa: E402
from pulse_desktop.app import Desktop  # noqa: E402
from pulse_desktop.link import scripted_world as world  # noqa: E402
from pulse_desktop.link.scripted_agent import Answers, ScriptedAgent  # noqa: E402
from pulse_desktop.options import Options  # noqa: E402
from pulse_desktop.preferences import Appearance, PreferencesFile  # noqa: E402
from pulse_desktop.texts.language import Language  # noqa: E402
from pulse_desktop.widgets.states import Contents  # noqa: E402
from pulse_desktop.windows.main_window import MainWindow  # noqa: E402

FOLDER: Final = HERE.parents[3] / "docs" / "screens" / "desktop"
SETTLE_MS: Final = 350
DEADLINE_SECONDS: Final = 30.0

TABS: Final = ("users", "roles", "config", "pending", "conflicts")
Scene = Callable[[MainWindow], QWidget]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown: the agent's state and answers, who is signed in, and which window."""

    name: str
    scene: Scene
    status: Status
    answers: Answers
    is_signed_in: bool = True


def wait(until: Callable[[], bool]) -> None:
    """Let the program work until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)


def settle(milliseconds: int = SETTLE_MS) -> None:
    """Let the program work for a moment."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def main_window(window: MainWindow) -> QWidget:
    """Show the main window as it is."""
    return window


def assistant(address: str, button: str) -> Scene:
    """Return a scene of the assistant after a button was pressed."""

    def show(window: MainWindow) -> QWidget:
        page = window.assistant
        if page is None:
            raise LookupError("no assistant")
        page.address.setText(address)
        page.code.setText("K7QM-2XPD-94TB" if button == "enrol" else "")
        getattr(page, button).click()
        wait(lambda: not page.state.is_busy)
        return window

    return show


def refused(window: MainWindow) -> QWidget:
    """Show a sign-in that was refused."""
    page = window.sign_in
    if page is None:
        raise LookupError("no sign-in")
    page.username.setText("ada")
    page.password.setText("wrong")
    page.submit.click()
    wait(lambda: bool(page.note.text))
    return window


def tab(number: int, *, chosen: bool = False) -> Scene:
    """Return a scene of the administration with a tab open."""

    def show(window: MainWindow) -> QWidget:
        dialog = window.open_administration()
        dialog.open_tab(TABS[number])  # type: ignore[attr-defined] # an AdministrationDialog
        page = dialog.page(TABS[number])  # type: ignore[attr-defined] # an AdministrationDialog
        wait(lambda: page.contents.face != "loading")
        if chosen and page.table.rows:
            page.table.choose(page.table.rows[1].key)
        return dialog

    return show


def editor(number: int, button: str) -> Scene:
    """Return a scene of a form that a button of a tab opens."""

    def show(window: MainWindow) -> QWidget:
        dialog = tab(number, chosen=True)(window)
        page = dialog.page(TABS[number])  # type: ignore[attr-defined] # an AdministrationDialog
        settle()
        getattr(page, button).click()
        wait(lambda: QApplication.activeModalWidget() is not None)
        found = QApplication.activeModalWidget()
        if found is None:
            raise LookupError(button)
        return found

    return show


def dialog_of(name: str) -> Scene:
    """Return a scene of a window that the main window opens."""

    def show(window: MainWindow) -> QWidget:
        found = getattr(window, f"open_{name}")()
        if not isinstance(found, QWidget):
            raise LookupError(name)
        settle()
        wait(lambda: all(one.face != "loading" for one in found.findChildren(Contents) if one.isVisible()))
        return found

    return show


def losses(window: MainWindow) -> QWidget:
    """Show the losses."""
    from PySide6.QtWidgets import QTabWidget

    dialog = dialog_of("records")(window)
    for tabs in dialog.findChildren(QTabWidget):
        tabs.setCurrentIndex(1)
    return dialog


def leave(window: MainWindow) -> QWidget:
    """Show the question before the window closes."""
    window.exit.click()
    wait(lambda: QApplication.activeModalWidget() is not None)
    found = QApplication.activeModalWidget()
    if found is None:
        raise LookupError("no question")
    return found


def update_after(*buttons: str) -> Scene:
    """Return a scene of the updates after the agent looked, and after each of these buttons."""

    def show(window: MainWindow) -> QWidget:
        dialog = dialog_of("update")(window)
        for name in ("check", *buttons):
            getattr(dialog, name).click()
            settle()
        return dialog

    return show


def update_told(window: MainWindow) -> QWidget:
    """Show the main window after the agent told of a release."""
    update_after()(window).close()
    return window


def pictures() -> list[Picture]:
    """Return all pictures."""
    usual = world.answers()
    online, offline = world.status(), world.offline()
    nothing = world.answers(
        quarantine__list=Quarantine(total=0, rows=[]), conflicts__list=Conflicts(total=0, open=0, rows=[])
    )
    failing = world.answers(users__list=ErrorBody(code="internal", message="the replica cannot be read"))
    bad = world.answers(enrol__check=world.enrol_failed())
    soon = {"lease_until_ms": world.NOW_MS + 5 * 3_600_000, "is_online": False}
    ending = world.answers(sign_in=world.session(**soon))
    there = world.updates(path="/srv/downloads/precisionpulse_0.2.0_amd64.deb")
    changed = world.updates(problem="wrong_hash")
    address = "https://pulse.example.org"
    return [
        Picture("assistant", main_window, world.unenrolled(), usual, is_signed_in=False),
        Picture("assistant-checked", assistant(address, "check"), world.unenrolled(), usual, is_signed_in=False),
        Picture("assistant-failed", assistant(address, "check"), world.unenrolled(), bad, is_signed_in=False),
        Picture("assistant-enrolled", assistant(address, "enrol"), world.unenrolled(), usual, is_signed_in=False),
        Picture("sign-in", main_window, online, usual, is_signed_in=False),
        Picture("sign-in-refused", refused, offline, usual, is_signed_in=False),
        Picture("home-online", main_window, online, usual),
        Picture("home-offline", main_window, offline, ending),
        Picture("home-draining", main_window, world.draining(), usual),
        Picture("administration-users", tab(0, chosen=True), online, usual),
        Picture("administration-users-offline", tab(0), offline, usual),
        Picture("administration-users-failed", tab(0), online, failing),
        Picture("administration-user", editor(0, "edit_one"), online, usual),
        Picture("administration-delete", editor(0, "delete"), online, usual),
        Picture("administration-roles", tab(1, chosen=True), online, usual),
        Picture("administration-role", editor(1, "edit_one"), online, usual),
        Picture("administration-config", tab(2, chosen=True), online, usual),
        Picture("administration-config-edit", editor(2, "set_own"), online, usual),
        Picture("administration-pending", tab(3), offline, usual),
        Picture("administration-conflicts", tab(4), online, usual),
        Picture("administration-conflicts-none", tab(4), online, nothing),
        Picture("settings", dialog_of("settings"), online, usual),
        Picture("records-quarantine", dialog_of("records"), online, usual),
        Picture("records-quarantine-none", dialog_of("records"), online, nothing),
        Picture("records-losses", losses, online, usual),
        Picture("logs", dialog_of("logs"), online, usual),
        Picture("updates", update_after(), online, usual),
        Picture("updates-none", update_after(), online, world.answers(updates__check=world.updates(available=None))),
        Picture("updates-downloading", update_after("download"), online, usual),
        Picture("updates-downloaded", update_after("download"), online, world.answers(updates__download=there)),
        Picture("updates-changed", update_after("download"), online, world.answers(updates__download=changed)),
        Picture("home-update", update_told, online, usual),
        Picture("about", dialog_of("about"), online, usual),
        Picture("exit", leave, online, usual),
    ]


IN_GERMAN: Final = frozenset(
    {
        "assistant-failed",
        "home-offline",
        "administration-users",
        "settings",
        "records-quarantine",
        "home-draining",
        "updates-downloaded",
    }
)


def take(application: QApplication, picture: Picture, appearance: Appearance, language: Language, folder: Path) -> None:
    """Take one picture."""
    with tempfile.TemporaryDirectory(prefix="pulse-pictures-") as temporary:
        data = Path(temporary)
        with ScriptedAgent(data, picture.status, picture.answers):
            PreferencesFile(data).change(appearance=appearance, language=language, metric="cpu_percent")
            desktop = Desktop(application, Options(data, ()))
            desktop.context.now = lambda: world.NOW_MS / 1000
            desktop.bridge.start()
            desktop.open()
            window = desktop.windows[0]
            wait(lambda: desktop.bridge.status is not None)
            if picture.is_signed_in:
                params = SignInParams(username="ada", password=world.PASSWORD)
                desktop.bridge.ask(window, "sign_in", params, lambda _: None, lambda _: None)
                wait(lambda: desktop.bridge.session is not None)
            settle()
            shown = picture.scene(window)
            settle()
            tail = "-de" if language is Language.GERMAN else ""
            path = folder / f"{picture.name}-{appearance.value}{tail}.png"
            if not shown.grab().save(str(path)):
                raise OSError(path)
            for widget in application.topLevelWidgets():
                widget.close()
            desktop.stop()
            settle(20)


def main() -> None:
    """Take all pictures, or those that were named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    wanted = set(sys.argv[2:])
    folder.mkdir(parents=True, exist_ok=True)
    application = QApplication(["pulse-desktop"])
    application.setQuitOnLastWindowClosed(False)
    for picture in pictures():
        if wanted and picture.name not in wanted:
            continue
        for appearance in (Appearance.LIGHT, Appearance.DARK):
            take(application, picture, appearance, Language.ENGLISH, folder)
        if picture.name in IN_GERMAN:
            take(application, picture, Appearance.LIGHT, Language.GERMAN, folder)
        sys.stdout.write(f"{picture.name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
