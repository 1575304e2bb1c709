"""What tests of windows ask of the program that is shown."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QApplication

TABS = ("users", "roles", "config", "pending", "conflicts")


def asked(shown: Any, method: str) -> list[Any]:
    return [params for name, params in shown.agent.asked if name == method]


def modal(shown: Any) -> Any:
    shown.wait(lambda: QApplication.activeModalWidget() is not None)
    return QApplication.activeModalWidget()


def page_of(shown: Any, number: int) -> Any:
    dialog = shown.window.open_administration()
    shown.turn()
    dialog.open_tab(TABS[number])
    shown.turn()
    page = dialog.page(TABS[number])
    shown.wait(lambda: page.contents.face != "loading")
    return page
