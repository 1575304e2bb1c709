"""The small live chart: it slides on a clock of its own, and where readings are missing it is hatched.

Drawn with Qt's painter alone. Guarantees: it draws only while it is seen, at most four times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QBrush, QColor, QFont, QLinearGradient, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from pulse_desktop.model.series import Plot, Point, Series
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme import tokens
from pulse_desktop.theme.style import figures_font
from pulse_desktop.theme.tokens import COLOURS, Colours
from pulse_desktop.widgets.status import theme_of

FRAME_MS: Final = 250
_LEFT, _TOP, _RIGHT, _BOTTOM = 56.0, 8.0, 10.0, 22.0
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_LINES: Final = 4


class Chart(QWidget):
    """The last seconds of one metric."""

    def __init__(self, texts: Texts, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._texts = texts
        self._now = now
        self._series = Series()
        self._name = ""
        self.span = 60.0
        self.setMinimumHeight(130)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._clock = QTimer(self, interval=FRAME_MS)
        self._clock.timeout.connect(self._tick)
        self._clock.start()

    def show_series(self, name: str, series: Series) -> None:
        """Show a metric; the series may grow meanwhile."""
        self._name, self._series = name, series
        self._describe()
        self.update()

    def show_span(self, seconds: float) -> None:
        """Show another span of time."""
        self.span = seconds
        self.update()

    def _tick(self) -> None:
        if self.isVisible() and not self.window().isMinimized():
            self.update()

    def _describe(self) -> None:
        newest = self._series.newest
        form, home = self._texts.format, self._texts.home
        self.setAccessibleName(f"{home.chart}, {form.duration(self.span)}")
        self.setAccessibleDescription(
            home.chart_empty
            if newest is None
            else home.chart_summary.format(name=self._name, value=form.reading(newest.value), time=form.time(newest.at))
        )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 # Qt's name
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small_font())
        colours = COLOURS[theme_of(self)]
        plot = self._series.plot(self._now(), self.span)
        area = QRectF(_LEFT, _TOP, self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM)
        frame = _Frame(painter, area, plot, colours)
        self._draw_axes(frame)
        if plot.is_empty:
            painter.setPen(QColor(colours.ink_faint))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._texts.home.chart_empty)
        else:
            painter.setClipRect(area)
            for gap in plot.gaps:
                frame.hatch(*gap)
            for line in plot.lines:
                frame.line(line)
        painter.end()

    def _small_font(self) -> QFont:
        font = figures_font(self.font())
        font.setPixelSize(tokens.TEXT_SMALL - 1)
        return font

    def _draw_axes(self, frame: _Frame) -> None:
        painter, area, plot = frame.painter, frame.area, frame.plot
        ink, line = QColor(frame.colours.ink_faint), QColor(frame.colours.line)
        for number in range(_LINES):
            value = plot.low + (plot.high - plot.low) * number / (_LINES - 1)
            y = frame.y(value)
            painter.setPen(QPen(line, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            if not plot.is_empty:
                painter.setPen(ink)
                box = QRectF(0, y - 8, _LEFT - 8, 16)
                side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(box, side, self._axis_value(value, plot))
        painter.setPen(ink)
        for at in _ticks(plot.start, plot.end, area.width()):
            x = frame.x(at)
            if not area.left() + 10 <= x <= area.right() - 26:
                continue
            text = datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S" if self.span <= 600 else "%H:%M")
            painter.drawText(QRectF(x - 40, area.bottom() + 4, 80, 16), Qt.AlignmentFlag.AlignCenter, text)

    def _axis_value(self, value: float, plot: Plot) -> str:
        size = plot.high - plot.low
        digits = 0 if size >= 20 else 1 if size >= 2 else 2 if size >= 0.2 else 3
        return self._texts.format.number(value, digits)


class _Frame:
    """Where things lie within one drawing."""

    def __init__(self, painter: QPainter, area: QRectF, plot: Plot, colours: Colours) -> None:
        self.painter, self.area, self.plot, self.colours = painter, area, plot, colours

    def x(self, at: float) -> float:
        return self.area.left() + (at - self.plot.start) / (self.plot.end - self.plot.start) * self.area.width()

    def y(self, value: float) -> float:
        return self.area.bottom() - (value - self.plot.low) / (self.plot.high - self.plot.low) * self.area.height()

    def line(self, points: tuple[Point, ...]) -> None:
        accent = QColor(self.colours.accent)
        polygon = QPolygonF([QPointF(self.x(point.at), self.y(point.value)) for point in points])
        if len(points) == 1:
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(accent)
            self.painter.drawEllipse(polygon.first(), 2.0, 2.0)
            return
        below = QPainterPath()
        below.addPolygon(polygon)
        below.lineTo(polygon.last().x(), self.area.bottom())
        below.lineTo(polygon.first().x(), self.area.bottom())
        below.closeSubpath()
        fade = QLinearGradient(0, self.area.top(), 0, self.area.bottom())
        strong, weak = QColor(accent), QColor(accent)
        strong.setAlpha(46)
        weak.setAlpha(4)
        fade.setColorAt(0, strong)
        fade.setColorAt(1, weak)
        self.painter.fillPath(below, fade)
        self.painter.setPen(
            QPen(accent, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        self.painter.drawPolyline(polygon)

    def hatch(self, start: float, end: float) -> None:
        box = QRectF(self.x(start), self.area.top(), self.x(end) - self.x(start), self.area.height())
        colour = QColor(self.colours.mute)
        colour.setAlpha(70)
        self.painter.fillRect(box.intersected(self.area), QBrush(colour, Qt.BrushStyle.BDiagPattern))


def _ticks(start: float, end: float, width: float) -> list[float]:
    """Return round times with room for their words."""
    wanted = max(2, int(width / 110))
    step = next((step for step in _STEPS if (end - start) / step <= wanted), _STEPS[-1])
    first = (int(start) // step + 1) * step
    found = []
    while first <= end:
        found.append(float(first))
        first += step
    return found
