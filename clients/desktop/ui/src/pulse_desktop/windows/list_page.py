"""A page with a list from the agent: asked for when shown, again when it changed, with all its faces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from pulse_contracts.local_people import RowParams
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import Done
from pulse_desktop.link.state import LinkPhase, LinkState
from pulse_desktop.theme.tokens import GAP, Tone
from pulse_desktop.widgets.states import Contents
from pulse_desktop.widgets.status import Note
from pulse_desktop.widgets.table import Table
from pulse_desktop.windows.confirm import ConfirmDialog, Question
from pulse_desktop.windows.context import Context

Result = TypeVar("Result", bound=BaseModel)
GATHER_MS = 150
"""Changes that come together are read again once."""


class ListPage(QWidget):
    """The frame of such a page. A subclass says what it asks for in `load`, and shows it with `fill`."""

    def __init__(self, context: Context, table: Table, entities: frozenset[str]) -> None:
        super().__init__()
        self.context = context
        self.texts = context.texts
        self.table = table
        self.note = Note()
        self._entities = entities
        self.contents = Contents(table, self.texts.general, self.load)
        self.page = QVBoxLayout(self)
        self.page.setContentsMargins(0, GAP, 0, 0)
        self.page.setSpacing(10)
        self.page.addWidget(self.note)
        self.page.addWidget(self.contents, 1)
        self._again = QTimer(self, singleShot=True, interval=GATHER_MS)
        self._again.timeout.connect(self.load)
        context.bridge.lists_changed.connect(self._take_changes)
        context.bridge.link_changed.connect(self._take_link)

    @abstractmethod
    def load(self) -> None:
        """Ask for the list."""

    def ask(self, method: str, params: BaseModel, on_result: Callable[[Result], None]) -> None:
        """Ask for the list; what fails is shown in its place."""
        self.contents.show_loading()
        self.context.bridge.ask(self, method, params, on_result, self._not_loaded)

    def change(self, method: str, params: BaseModel, said: str, then: Callable[[], None] | None = None) -> None:
        """Change something; how it ended is said above the list."""

        def done(_: Done) -> None:
            self.note.say(Tone.OK, said)
            self.load()
            if then is not None:
                then()

        self.context.bridge.ask(self, method, params, done, self.show_problem)

    def kept(self) -> None:
        """An edit of a form was kept here: say so, and read the list again."""
        self.note.say(Tone.OK, self.texts.administration.kept)
        self.load()

    def ask_delete(self, method: str, row_id: str, name: str, consequence: str) -> None:
        """Ask, naming who or what would go and with what `consequence`, then have it deleted."""
        words = self.texts.administration
        ConfirmDialog(
            self,
            self.texts,
            Question(words.delete_title.format(name=name), consequence, self.texts.general.delete),
            lambda: self.change(method, RowParams(id=row_id), words.kept),
        ).open()

    def show_problem(self, error: ErrorBody) -> None:
        """Say above the list what failed."""
        reason = self.texts.problem(error.code, error.message)
        self.note.say(Tone.BAD, self.texts.general.failed.format(reason=reason))

    def _not_loaded(self, error: ErrorBody) -> None:
        self.contents.show_failed(self.texts.problem(error.code, error.message))

    def _take_changes(self, entities: frozenset[str]) -> None:
        if entities & self._entities:
            self._again.start()

    def _take_link(self, link: LinkState) -> None:
        if link.phase is LinkPhase.CONNECTED:
            self._again.start()
