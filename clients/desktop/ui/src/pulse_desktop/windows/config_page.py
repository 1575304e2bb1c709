"""The configuration entries that concern this desktop: which one is in force, and this desktop's own ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QComboBox, QDialog, QLineEdit, QVBoxLayout, QWidget

from pulse_contracts.configuration import BUILT_IN_KEYS
from pulse_contracts.local_people import ConfigRow, ConfigRows, KeyParams, KeyValueParams
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import Done, NoParams
from pulse_contracts.permissions import Permission
from pulse_desktop.model.people import pending_mark
from pulse_desktop.model.settings import as_text, from_text, hint_text, shown_value, text_problem
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import Field, allow, button, label, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage


class ConfigPage(ListPage):
    """Needs `config:read`; what changes anything needs `config:write`."""

    def __init__(self, context: Context) -> None:
        words = context.texts.administration
        titles = (words.key, words.value, words.scope, words.state, words.sync_state)
        table = Table(words.config, titles, (3,), self._edit)
        super().__init__(context, table, frozenset({"config", "pending", "settings"}))
        self.set_own = button(words.set_own, lambda: self._edit(self.table.chosen), "primary")
        self.clear = button(words.clear_own, self._clear)
        self.page.insertLayout(0, row(None, self.clear, self.set_own))
        table.selectionModel().selectionChanged.connect(lambda *_: self._allow())
        self._allow()
        self.load()

    def load(self) -> None:
        """Ask for the entries."""
        self.ask("config.list", NoParams(), self._take)

    def _take(self, found: ConfigRows) -> None:
        self.table.show_rows([self._row(entry) for entry in found.rows])
        if found.rows:
            self.contents.show_content()
        else:
            self.contents.show_empty(self.texts.administration.no_config)
        self._allow()

    def _row(self, entry: ConfigRow) -> Row:
        words = self.texts.administration
        scope = {"all": words.scope_all, "group": words.scope_group.format(name=entry.target)}
        state = Cell("—", is_faint=True)
        if entry.problem:
            state = Cell(self._not_in_force(entry.problem), Tone.WARN)
        elif entry.is_winner:
            state = Cell(words.in_force, Tone.OK)
        mark = pending_mark(entry.pending, self.texts)
        cells = (
            Cell(entry.key),
            Cell(shown_value(entry.value, self.texts)),
            Cell(scope.get(entry.scope, words.scope_device)),
            state,
            Cell(mark.text, mark.tone),
        )
        return Row(entry.id, cells, entry)

    def _not_in_force(self, problem: str) -> str:
        reason = self.texts.agents_words(problem, self.texts.settings.not_applicable)
        return self.texts.administration.not_in_force.format(reason=reason[:1].lower() + reason[1:].rstrip("."))

    def _edit(self, entry: ConfigRow | None) -> None:
        if self.context.may(Permission.CONFIG_WRITE):
            ConfigEditor(self.context, self, entry, self.kept).open()

    def _clear(self) -> None:
        entry: ConfigRow | None = self.table.chosen
        if entry is not None:
            self.change("config.clear", KeyParams(key=entry.key), self.texts.administration.kept)

    def _allow(self) -> None:
        entry: ConfigRow | None = self.table.chosen
        may, lacks = self.context.may(Permission.CONFIG_WRITE), self.context.lacks(Permission.CONFIG_WRITE)
        allow(self.set_own, may, lacks)
        allow(self.clear, may and entry is not None and entry.scope == "device", "" if may else lacks)


class ConfigEditor(QDialog):
    """Sets one key for this desktop; what is wrong is said while it is typed."""

    def __init__(self, context: Context, parent: QWidget, entry: ConfigRow | None, on_kept: Callable[[], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        self._on_kept = on_kept
        words = self._texts.administration
        self.setWindowTitle(words.set_own.removesuffix("…"))
        self.setModal(True)
        self.setMinimumWidth(460)
        self.key = QComboBox()
        self.key.setEditable(True)
        self.key.addItems(sorted(BUILT_IN_KEYS))
        self.value = QLineEdit()
        self.key_field = Field(words.key, self.key)
        self.value_field = Field(words.value, self.value, " ")
        self.note = Note()
        self.save = button(self._texts.general.save, self._save, "primary")
        self.save.setDefault(True)
        if entry is not None:
            self.key.setCurrentText(entry.key)
            spec = BUILT_IN_KEYS.get(entry.key)
            text = as_text(spec, entry.value) if spec is not None else json.dumps(entry.value, ensure_ascii=False)
            self.value.setText(text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addWidget(label(self.windowTitle(), "heading"))
        layout.addWidget(self.note)
        layout.addWidget(self.key_field)
        layout.addWidget(self.value_field)
        layout.addLayout(row(None, button(self._texts.general.cancel, self.reject), self.save))
        self.key.currentTextChanged.connect(lambda _: self._look())
        self.value.textChanged.connect(lambda _: self._look())
        self._look()

    def _look(self) -> str:
        """Show what is wrong with the value, or between what it lies; return what is wrong."""
        key = self.key.currentText()
        spec = BUILT_IN_KEYS.get(key)
        if spec is None:
            self.value_field.show_hint(self._texts.administration.value_hint)
            return ""
        hint = hint_text(key, spec, self._texts)
        self.value_field.show_hint(hint or ", ".join(spec.choices or []) or spec.description)
        problem = text_problem(spec, self.value.text(), self._texts) if self.value.text() else ""
        self.value_field.show_problem(problem)
        return problem

    def _save(self) -> None:
        key, text = self.key.currentText().strip(), self.value.text()
        if self._look() or not text:
            self.value_field.show_problem(self.value_field.problem or self._texts.home.missing)
            return
        spec = BUILT_IN_KEYS.get(key)
        value = from_text(spec, text) if spec is not None else _json(text)
        self.save.setEnabled(False)
        self._context.bridge.ask(self, "config.set", KeyValueParams(key=key, value=value), self._kept, self._refused)

    def _kept(self, _: Done) -> None:
        self.accept()
        self._on_kept()

    def _refused(self, error: ErrorBody) -> None:
        self.save.setEnabled(True)
        self.note.say(Tone.BAD, self._texts.problem(error.code, error.message))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
