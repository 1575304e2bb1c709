"""What a main window may ask of the program that opened it."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtWidgets import QWidget


class Windows(Protocol):
    """The open windows of this process."""

    def open(self) -> None:
        """Open one more."""

    def closing(self, window: QWidget) -> None:
        """A window is being closed."""

    def quit(self) -> None:
        """Ask, then close all."""
