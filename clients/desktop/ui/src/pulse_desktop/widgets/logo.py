"""The mark: a pulse that ends in a point that is alive."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from pulse_desktop.theme.tokens import COLOURS, Tone
from pulse_desktop.widgets.status import paint_shape, theme_of

ICON: Final = Path(__file__).parent.parent / "theme" / "icon.svg"
_STEPS: Final = ((9, 0), (4, -12), (7, 22), (6, -16), (4, 6), (6, 0))


class Logo(QWidget):
    """The mark beside the product's name."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(QSize(30, 20))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 # Qt's name
        """Draw it."""
        colours = COLOURS[theme_of(self)]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(self.width() / 48, self.height() / 32)
        path = QPainterPath(QPointF(2, 18))
        for dx, dy in _STEPS:
            path.lineTo(path.currentPosition() + QPointF(dx, dy))
        joins = Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
        painter.setPen(QPen(QColor(colours.accent), 4, Qt.PenStyle.SolidLine, *joins))
        painter.drawPath(path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.ok))
        painter.drawEllipse(QPointF(43, 18), 3.5, 3.5)
        painter.end()


def program_icon() -> QIcon:
    """Return the icon of the program."""
    return QIcon(str(ICON))


def tray_icon(tone: Tone, colour: str) -> QIcon:
    """Return the program's icon with the shape of a state in its corner."""
    size = 64
    pixmap = QPixmap(program_icon().pixmap(QSize(size, size)))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#10202f"))
    painter.drawEllipse(QRectF(34, 34, 30, 30))
    paint_shape(painter, QRectF(39, 39, 20, 20), tone, QColor(colour))
    painter.end()
    return QIcon(pixmap)
