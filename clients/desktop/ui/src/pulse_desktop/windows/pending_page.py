"""The edits made here that the server has not answered yet."""

from __future__ import annotations

from pulse_contracts.local_records import PendingEdit, PendingEdits
from pulse_contracts.local_status import NoParams
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage


class PendingPage(ListPage):
    """Needs `sync:read`."""

    def __init__(self, context: Context) -> None:
        words = context.texts.administration
        titles = (words.what, words.changed, words.who, words.made, words.state)
        super().__init__(context, Table(words.pending, titles, (1,)), frozenset({"pending"}))
        self.load()

    def load(self) -> None:
        """Ask for the edits."""
        self.ask("sync.pending", NoParams(), self._take)

    def _take(self, edits: PendingEdits) -> None:
        words = self.texts.administration
        self.table.show_rows([self._row(edit) for edit in edits.rows])
        if edits.rows:
            self.contents.show_content()
        else:
            self.contents.show_empty(words.no_pending, words.no_pending_hint)

    def _row(self, edit: PendingEdit) -> Row:
        words = self.texts.administration
        entity = words.entities.get(edit.entity.value, edit.entity.value)
        fields = ", ".join(words.fields.get(name, name) for name in edit.fields)
        state = Cell(words.sent, Tone.INFO) if edit.is_sent else Cell(words.not_sent, Tone.WARN)
        made = self.texts.format.moment(edit.made_ms / 1000, self.context.now())
        cells = (Cell(f"{entity} {edit.name}"), Cell(fields), Cell(edit.actor or "—"), Cell(made), state)
        return Row(edit.op_id, cells, edit)
