"""A state as a shape, a word and a ground of its tone; each tone has a shape, so that no colour has to be seen."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from pulse_desktop.theme.tokens import COLOURS, Theme, Tone
from pulse_desktop.widgets.basics import label, set_look

_BOX = 12.0
_HEXAGON = ((3.5, 0), (8.5, 0), (12, 3.5), (12, 8.5), (8.5, 12), (3.5, 12), (0, 8.5), (0, 3.5))
_TRIANGLE = ((6, 0.6), (11.8, 11), (0.2, 11))


def paint_shape(painter: QPainter, area: QRectF, tone: Tone, colour: QColor) -> None:
    """Draw the shape of a tone: ● ok, ▲ warn, ⬢ bad, ■ info, ○ mute."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(area.topLeft())
    painter.scale(area.width() / _BOX, area.height() / _BOX)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    match tone:
        case Tone.OK:
            painter.drawEllipse(QPointF(6, 6), 5, 5)
        case Tone.WARN:
            painter.drawPolygon(QPolygonF([QPointF(*point) for point in _TRIANGLE]))
        case Tone.BAD:
            painter.drawPolygon(QPolygonF([QPointF(*point) for point in _HEXAGON]))
        case Tone.INFO:
            painter.drawRoundedRect(QRectF(1, 1, 10, 10), 1.5, 1.5)
        case Tone.MUTE:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, 1.6))
            painter.drawEllipse(QPointF(6, 6), 4.2, 4.2)
    painter.restore()


@lru_cache(maxsize=64)
def shape_icon(tone: Tone, colour: str, size: int = 12) -> QIcon:
    """Return the shape of a tone as an icon, for tables and the tray."""
    ratio = 2
    pixmap = QPixmap(size * ratio, size * ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_shape(painter, QRectF(0, 0, size * ratio, size * ratio), tone, QColor(colour))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def theme_of(widget: QWidget) -> Theme:
    """Return the theme that a widget is shown in."""
    return Theme.DARK if widget.palette().window().color().lightness() < 128 else Theme.LIGHT


class Shape(QWidget):
    """The shape of a tone."""

    def __init__(self, tone: Tone = Tone.MUTE, size: int = 12) -> None:
        super().__init__()
        self.tone = tone
        self._size = size
        self.setFixedSize(size, size)

    def sizeHint(self) -> QSize:  # noqa: N802 # Qt's name
        """Return its size."""
        return QSize(self._size, self._size)

    def show_tone(self, tone: Tone) -> None:
        """Show another tone."""
        if tone is not self.tone:
            self.tone = tone
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 # Qt's name
        """Draw it."""
        painter = QPainter(self)
        colour = QColor(COLOURS[theme_of(self)].of(self.tone))
        paint_shape(painter, QRectF(0, 0, self._size, self._size), self.tone, colour)
        painter.end()


class Badge(QFrame):
    """A state: shape and word, on a ground of its tone."""

    def __init__(self, tone: Tone = Tone.MUTE, text: str = "") -> None:
        super().__init__()
        self.setProperty("pill", True)
        self.setProperty("tone", tone.value)
        self._shape = Shape(tone, 10)
        self._word = QLabel(text)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(9, 3, 11, 3)
        layout.setSpacing(7)
        layout.addWidget(self._shape)
        layout.addWidget(self._word)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(24)
        self.setAccessibleName(text)

    @property
    def text(self) -> str:
        """The word that is shown."""
        return self._word.text()

    def show_state(self, tone: Tone, text: str) -> None:
        """Show another state."""
        self._shape.show_tone(tone)
        if self._word.text() != text:
            self._word.setText(text)
            self.setAccessibleName(text)
        set_look(self, "tone", tone.value)


class Note(QFrame):
    """A sentence on a ground of its tone, with a button where there is something to do; hidden while empty."""

    def __init__(self, tone: Tone = Tone.INFO, text: str = "", action: QPushButton | None = None) -> None:
        super().__init__()
        self.setProperty("tone", tone.value)
        self._shape = Shape(tone)
        self._text = label(text, wraps=True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 9, 12, 9)
        layout.setSpacing(10)
        layout.addWidget(self._shape, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._text, 1)
        if action is not None:
            layout.addWidget(action, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setVisible(bool(text))
        self.setAccessibleName(text)

    @property
    def text(self) -> str:
        """The sentence that is shown."""
        return self._text.text()

    def say(self, tone: Tone, text: str) -> None:
        """Show a sentence; an empty one hides the note."""
        self._shape.show_tone(tone)
        set_look(self, "tone", tone.value)
        if self._text.text() != text:
            self._text.setText(text)
            self.setAccessibleName(text)
        self.setVisible(bool(text))
