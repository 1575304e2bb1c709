"""Writes a whole list of the agent to a file, one JSON object a line, page by page and outside the window's thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_records import AfterParams, Losses, Quarantine
from pulse_contracts.local_status import MAX_PAGE
from pulse_desktop.windows.context import Context

Finished = Callable[[int, Path, str], None]
_TYPES: Final = "JSON Lines (*.jsonl)"


class Export(QObject):
    """One export. The file appears whole (written beside, then renamed) or not at all, for its owner alone."""

    _written = Signal(int, str)

    def __init__(self, context: Context, method: str, path: Path, on_finished: Finished) -> None:
        super().__init__()
        self._bridge = context.bridge
        self._texts = context.texts
        self._method = method
        self._path = path
        self._beside = path.with_name(f"{path.name}.part")
        self._on_finished = on_finished
        self._count = 0
        self._disk = ThreadPoolExecutor(1, "export")
        self._next: int | None = 0
        self._written.connect(self._go_on, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Begin; `on_finished` is called with the count, the path and, if it failed, why."""
        self._submit("", is_first=True)

    def _ask(self, after: int) -> None:
        self._bridge.ask(self, self._method, AfterParams(after=after, limit=MAX_PAGE), self._take, self._failed)

    def _take(self, page: Quarantine | Losses) -> None:
        self._next = page.next
        self._count += len(page.rows)
        self._submit("".join(f"{item.model_dump_json()}\n" for item in page.rows))

    def _submit(self, text: str, *, is_first: bool = False) -> None:
        is_last = self._next is None
        future = self._disk.submit(_write, self._beside, text, is_first, self._path if is_last else None)
        future.add_done_callback(self._tell)

    def _tell(self, future: Future[None]) -> None:
        error = future.exception()
        self._written.emit(self._count, "" if error is None else str(error))

    def _go_on(self, count: int, problem: str) -> None:
        if problem or self._next is None:
            self._end(problem)
        else:
            self._ask(self._next)

    def _failed(self, error: ErrorBody) -> None:
        self._end(self._texts.problem(error.code, error.message))

    def _end(self, problem: str) -> None:
        self._disk.shutdown(wait=False)
        self._on_finished(self._count, self._path, problem)


def choose_file(parent: QWidget, name: str) -> Path | None:
    """Ask where to write."""
    chosen, _ = QFileDialog.getSaveFileName(parent, "", str(Path.home() / name), _TYPES)
    return Path(chosen) if chosen else None


def _write(beside: Path, text: str, is_first: bool, target: Path | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_first else os.O_APPEND)
    with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    if target is not None:
        beside.replace(target)
