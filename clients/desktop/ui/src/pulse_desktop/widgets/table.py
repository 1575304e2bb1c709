"""A table of rows that are replaced as a whole; each row has a key, so that the selection survives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from pulse_desktop.theme.tokens import COLOURS, Colours, Tone
from pulse_desktop.widgets.status import shape_icon, theme_of

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell; a tone puts its shape before the text, `is_number` sets it to the right."""

    text: str
    tone: Tone | None = None
    tip: str = ""
    is_number: bool = False
    is_faint: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `item` is what it was made from."""

    key: str
    cells: tuple[Cell, ...]
    item: Any = None


def _side(is_number: bool) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if is_number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


_COLOURED: Final = (Qt.ItemDataRole.DecorationRole, Qt.ItemDataRole.ForegroundRole)


class _Rows(QAbstractTableModel):
    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self.titles = list(titles)
        self.rows: list[Row] = []
        self.view: QTableView | None = None

    def replace(self, rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: Index = _TOP) -> int:  # noqa: N802 # Qt's name
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _TOP) -> int:  # noqa: N802 # Qt's name
        return 0 if parent.isValid() else len(self.titles)

    def headerData(  # noqa: N802 # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return self.titles[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            is_number = bool(self.rows) and self.rows[0].cells[section].is_number
            return _side(is_number)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        cell = self.rows[index.row()].cells[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return cell.text
            case Qt.ItemDataRole.ToolTipRole:
                return cell.tip or cell.text
            case Qt.ItemDataRole.TextAlignmentRole:
                return _side(cell.is_number)
        if role in _COLOURED and self.view is not None and (cell.tone is not None or cell.is_faint):
            return self._coloured(cell, role, COLOURS[theme_of(self.view)])
        return None

    def _coloured(self, cell: Cell, role: int, colours: Colours) -> Any:
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(colours.ink_soft if cell.tone is None else colours.of(cell.tone))
        return None if cell.tone is None else shape_icon(cell.tone, colours.of(cell.tone))


class Table(QTableView):
    """The table. `on_open` is called with a row's item on Enter or a double click."""

    def __init__(
        self, name: str, titles: Sequence[str], stretched: tuple[int, ...], on_open: Callable[[Any], None] | None = None
    ) -> None:
        super().__init__()
        self._rows = _Rows(titles)
        self._rows.view = self
        self.setModel(self._rows)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(36)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(20)
        header.setMinimumSectionSize(84)
        header.setMaximumSectionSize(300)
        for section in stretched:
            header.setSectionResizeMode(section, QHeaderView.ResizeMode.Stretch)
        self.setIconSize(QSize(12, 12))
        if on_open is not None:
            self.activated.connect(lambda index: on_open(self._rows.rows[index.row()].item))

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows; the one that was selected stays so while it is there."""
        if list(rows) == self._rows.rows:
            return
        chosen = self.chosen_row
        self._rows.replace(rows)
        if chosen is not None:
            self.choose(chosen.key)

    def choose(self, key: str) -> None:
        """Select the row with a key, if it is there."""
        for number, known in enumerate(self._rows.rows):
            if known.key == key:
                flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
                self.selectionModel().setCurrentIndex(self._rows.index(number, 0), flags)

    @property
    def rows(self) -> list[Row]:
        """What is shown."""
        return self._rows.rows

    @property
    def chosen_row(self) -> Row | None:
        """The selected row."""
        chosen = self.selectionModel().selectedRows()
        return self._rows.rows[chosen[0].row()] if chosen and chosen[0].row() < len(self._rows.rows) else None

    @property
    def chosen(self) -> Any:
        """What the selected row was made from; None when none is selected."""
        found = self.chosen_row
        return None if found is None else found.item
