"""The agent's log as it is written: by level, following, with the fields of each record."""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QVBoxLayout, QWidget

from pulse_contracts.local_protocol import LogEvent
from pulse_contracts.local_records import LogLevel, LogRecord, LogRecords, TailParams
from pulse_desktop.model.settings import shown_value
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import button, label, row
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage

MAX_SHOWN: Final = 1_000
"""Bound of the records in the window; the oldest go first."""
_TONES: Final = {"warning": Tone.WARN, "error": Tone.BAD, "critical": Tone.BAD, "info": Tone.INFO}


class LogsDialog(QDialog):
    """The log."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(context.texts.records.logs)
        self.resize(900, 600)
        self.log = LogPage(context)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, 4, PAD, PAD)
        layout.setSpacing(10)
        layout.addWidget(self.log, 1)
        layout.addLayout(row(None, button(context.texts.general.close, self.close)))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 # Qt's name
        """Ask the agent to send no more records."""
        self.log.stop_following()
        event.accept()


class LogPage(ListPage):
    """Newest last; new records come by themselves while `follow` is on."""

    def __init__(self, context: Context) -> None:
        words = context.texts.records
        table = Table(words.logs, (words.at, words.log_level, words.part, words.event, words.details), (4,))
        super().__init__(context, table, frozenset())
        self._records: list[LogRecord] = []
        self.level = QComboBox()
        self.level.setAccessibleName(words.log_level)
        for level in LogLevel:
            self.level.addItem(words.levels[level], level)
        self.level.setCurrentIndex(list(LogLevel).index(LogLevel.INFO))
        self.follow = QCheckBox(words.follow)
        self.follow.setAccessibleName(words.follow)
        self.follow.setChecked(True)
        self.count = label("", "faint", has_figures=True)
        self.page.insertLayout(0, row(label(words.log_level, "caption"), self.level, self.follow, None, self.count))
        self.level.currentIndexChanged.connect(lambda _: self.load())
        self.follow.toggled.connect(lambda _: self.load())
        context.bridge.log_came.connect(self._take_more)
        self.load()

    def load(self) -> None:
        """Ask for the newest records, and to follow."""
        self.ask("logs.tail", self._params(is_following=self.follow.isChecked()), self._take)

    def stop_following(self) -> None:
        """Ask for no more records."""
        params = self._params(is_following=False)
        self.context.bridge.ask(self, "logs.tail", params, lambda _: None, lambda _: None)

    def _params(self, *, is_following: bool) -> TailParams:
        return TailParams(limit=MAX_SHOWN, level=LogLevel(self.level.currentData()), follow=is_following)

    def _take(self, found: LogRecords) -> None:
        self._records = list(found.records)
        self._show()

    def _take_more(self, event: LogEvent) -> None:
        if not self.follow.isChecked():
            return
        newest = self._records[-1].number if self._records else -1
        wanted = list(LogLevel)[self.level.currentIndex() :]
        self._records += [one for one in event.records if one.number > newest and one.level in wanted]
        self._records = self._records[-MAX_SHOWN:]
        if event.dropped:
            self.note.say(Tone.WARN, self.texts.records.dropped.of(event.dropped))
        self._show()

    def _show(self) -> None:
        words = self.texts.records
        if not self._records:
            self.contents.show_empty(words.no_logs, words.no_logs_hint)
            return
        self.table.show_rows([self._row(record) for record in self._records])
        self.count.setText(words.records.of(len(self._records), self.texts.format.number(len(self._records))))
        self.contents.show_content()
        if self.follow.isChecked():
            self.table.scrollToBottom()

    def _row(self, record: LogRecord) -> Row:
        words, now = self.texts.records, self.context.now()
        details = "  ".join(f"{name}={shown_value(value, self.texts)}" for name, value in record.fields.items())
        cells = (
            Cell(self.texts.format.moment(record.at_ms / 1000, now)),
            Cell(words.levels.get(record.level, record.level), _TONES.get(record.level, Tone.MUTE)),
            Cell(record.part or "—", is_faint=True),
            Cell(record.event),
            Cell(details, is_faint=True),
        )
        return Row(str(record.number), cells, record)
