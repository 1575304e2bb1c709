"""Quarantine and losses: pages from the agent, and their export to a file of the person's choice."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from PySide6.QtWidgets import QDialog, QTabWidget, QVBoxLayout, QWidget

from pulse_contracts.local_records import (
    AfterParams,
    Cleared,
    LossRow,
    QuarantinedRow,
    UpToParams,
)
from pulse_contracts.permissions import Permission
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import allow, button, label, row
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.confirm import ConfirmDialog, Question
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.export import Export, choose_file
from pulse_desktop.windows.lazy_tab import LazyTab
from pulse_desktop.windows.list_page import ListPage

PAGE: Final = 100
Item = TypeVar("Item", QuarantinedRow, LossRow)


class RecordsDialog(QDialog):
    """Both lists, each in a tab."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        words = context.texts.records
        self.setWindowTitle(words.title)
        self.resize(900, 600)
        self._quarantine = LazyTab(lambda: QuarantinePage(context))
        self._losses = LazyTab(lambda: LossesPage(context))
        tabs = QTabWidget()
        tabs.setAccessibleName(words.title)
        tabs.setDocumentMode(True)
        tabs.tabBar().setDrawBase(False)
        tabs.addTab(self._quarantine, words.quarantine)
        tabs.addTab(self._losses, words.losses)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, PAD, PAD, PAD)
        layout.setSpacing(10)
        layout.addWidget(tabs, 1)
        layout.addLayout(row(None, button(context.texts.general.close, self.close)))

    @property
    def quarantine(self) -> ListPage:
        """The page of the quarantine."""
        return self._quarantine.page()

    @property
    def losses(self) -> ListPage:
        """The page of the losses."""
        return self._losses.page()


class _Paged(ListPage, Generic[Item]):
    """A list that is read page by page, as far as the person wants to see it."""

    def __init__(self, context: Context, table: Table, entity: str, method: str, hint: str) -> None:
        super().__init__(context, table, frozenset({entity}))
        general = context.texts.general
        self._method = method
        self._next: int | None = None
        self._rows: list[Row] = []
        self.shown = label("", "faint", has_figures=True)
        self.more = button(general.older, self._ask_more)
        self.export = button(general.export, self._choose)
        self.page.insertWidget(0, label(hint, "soft", wraps=True))
        self._foot = row(self.shown, self.more, None, self.export)
        self.page.addLayout(self._foot)
        self._running: Export | None = None

    def load(self) -> None:
        """Ask for the first page."""
        self.ask(self._method, AfterParams(limit=PAGE), self._take_first)

    def save_to(self, path: Path) -> None:
        """Write the whole list to a file, page by page."""
        self.export.setEnabled(False)
        self._running = Export(self.context, self._method, path, self._exported)
        self._running.start()

    @abstractmethod
    def row_of(self, item: Item) -> Row:
        """Return how a row is shown."""

    @abstractmethod
    def say_empty(self) -> None:
        """Say that the list is empty."""

    @abstractmethod
    def counted(self, count: int) -> str:
        """Return a count of rows in words."""

    def _ask_more(self) -> None:
        if self._next is not None:
            params = AfterParams(after=self._next, limit=PAGE)
            self.context.bridge.ask(self, self._method, params, self._take, self.show_problem)

    def _take_first(self, page: Any) -> None:
        self._rows = []
        self._take(page)

    def _take(self, page: Any) -> None:
        self._rows = [*self._rows, *(self.row_of(item) for item in page.rows)]
        self._next = page.next
        self.table.show_rows(self._rows)
        form = self.texts.format
        shown = self.texts.records.shown_of
        self.shown.setText(shown.format(shown=form.number(len(self._rows)), total=form.number(page.total)))
        self.more.setVisible(page.next is not None)
        self.shown.setVisible(bool(self._rows))
        self.export.setEnabled(bool(self._rows))
        if self._rows:
            self.contents.show_content()
        else:
            self.say_empty()

    def _choose(self) -> None:
        path = choose_file(self, f"precisionpulse-{self._method.split('.', maxsplit=1)[0]}.jsonl")
        if path is not None:
            self.save_to(path)

    def _exported(self, count: int, path: Path, problem: str) -> None:
        self._running = None
        self.export.setEnabled(True)
        general = self.texts.general
        if problem:
            self.note.say(Tone.BAD, general.export_failed.format(reason=problem))
        else:
            self.note.say(Tone.OK, general.exported.format(count=self.counted(count), file=path))


class QuarantinePage(_Paged[QuarantinedRow]):
    """Readings that the server refused for good, or that were damaged here."""

    def __init__(self, context: Context) -> None:
        words = context.texts.records
        titles = (words.taken, words.sequence, words.reason, words.reading, words.moved)
        table = Table(words.quarantine, titles, (3,))
        super().__init__(context, table, "quarantine", "quarantine.list", words.quarantine_hint)
        self.clear = button(words.clear, self._ask_clear, "danger")
        self._foot.addWidget(self.clear)
        self.load()

    def row_of(self, item: QuarantinedRow) -> Row:
        """Return how a reading is shown."""
        form, now = self.texts.format, self.context.now()
        taken = "—" if item.recorded_ms is None else form.moment(item.recorded_ms / 1000, now)
        cells = (
            Cell(taken),
            Cell(form.number(item.sequence), is_number=True),
            Cell(self.texts.records.rejections.get(item.code, item.code), Tone.WARN, tip=item.detail or item.code),
            Cell(item.metrics or "—", is_faint=True),
            Cell(form.moment(item.moved_ms / 1000, now)),
        )
        return Row(str(item.number), cells, item)

    def say_empty(self) -> None:
        """Say that nothing is in quarantine."""
        words = self.texts.records
        self.contents.show_empty(words.no_quarantine, words.no_quarantine_hint)

    def counted(self, count: int) -> str:
        """Return a count of readings."""
        return self.texts.records.readings.of(count, self.texts.format.number(count))

    def _take(self, page: Any) -> None:
        super()._take(page)
        may = self.context.may(Permission.DEVICES_WRITE)
        allow(self.clear, may and bool(self._rows), "" if may else self.context.lacks(Permission.DEVICES_WRITE))

    def _ask_clear(self) -> None:
        if not self._rows:
            return
        words = self.texts.records
        last: QuarantinedRow = self._rows[-1].item
        ConfirmDialog(
            self,
            self.texts,
            Question(
                words.clear_title.format(count=self.counted(len(self._rows))),
                words.clear_text,
                self.texts.general.delete,
            ),
            lambda: self._clear(last.number),
        ).open()

    def _clear(self, up_to: int) -> None:
        params = UpToParams(up_to=up_to)
        self.context.bridge.ask(self, "quarantine.clear", params, self._cleared, self.show_problem)

    def _cleared(self, cleared: Cleared) -> None:
        count = self.texts.format.number(cleared.count)
        self.note.say(Tone.OK, self.texts.records.cleared.of(cleared.count, count))
        self.load()


class LossesPage(_Paged[LossRow]):
    """Ranges of readings that are gone, and whether the server knows."""

    def __init__(self, context: Context) -> None:
        words = context.texts.records
        titles = (words.at, words.range, words.count, words.reason, words.told)
        super().__init__(context, Table(words.losses, titles, (3,)), "losses", "losses.list", words.losses_hint)
        self.load()

    def row_of(self, item: LossRow) -> Row:
        """Return how a range is shown."""
        words, form, now = self.texts.records, self.texts.format, self.context.now()
        told = Cell(words.told_no, Tone.WARN)
        if item.declared_ms is not None:
            told = Cell(words.told_yes.format(time=form.moment(item.declared_ms / 1000, now)), Tone.OK)
        cells = (
            Cell(form.moment(item.at_ms / 1000, now)),
            Cell(f"{form.number(item.low)} – {form.number(item.high)}"),
            Cell(form.number(item.count), is_number=True),
            Cell(words.loss_reasons.get(item.reason, item.reason)),
            told,
        )
        return Row(str(item.number), cells, item)

    def say_empty(self) -> None:
        """Say that nothing was lost."""
        words = self.texts.records
        self.contents.show_empty(words.no_losses, words.no_losses_hint)

    def counted(self, count: int) -> str:
        """Return a count of ranges."""
        return self.texts.records.ranges.of(count, self.texts.format.number(count))
