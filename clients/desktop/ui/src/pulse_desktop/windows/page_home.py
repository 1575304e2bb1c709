"""The main page: the current value, the connection in words, what waits, the last sync, the live chart."""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from pulse_contracts.local_people import WhoAmI
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import RECENT_SECONDS, Latest, NoParams, Recent, RecentParams, Status
from pulse_contracts.permissions import Permission
from pulse_desktop.link.state import LinkState
from pulse_desktop.model.backlog import BacklogWatch
from pulse_desktop.model.series import Point, Series
from pulse_desktop.theme.tokens import GAP, PAD
from pulse_desktop.widgets.basics import Card, label, row
from pulse_desktop.widgets.chart import Chart
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.home_cards import BacklogCard, ConnectionCard, SyncCard, ValueCard

SPANS: Final = (60, 300, 900)
"""The spans of the chart in seconds; the agent remembers 900."""
TICK_MS: Final = 1_000
"""Ages and waits are words about now: they are said anew every second."""

MEND_MS: Final = 1_000
"""Readings that were not told are fetched at most so often."""


class HomePage(QWidget):
    """Shown to who is signed in."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._texts = context.texts
        self._watch = BacklogWatch()
        self._series: dict[str, Series] = {}
        self._asked: set[str] = set()
        self._missing: dict[str, float] = {}
        self._mend = QTimer(self, singleShot=True, interval=MEND_MS)
        self._mend.timeout.connect(self._ask_for_missing)
        self.value = ValueCard(context)
        self.connection = ConnectionCard(context)
        self.backlog = BacklogCard(context)
        self.sync = SyncCard(context)
        self.chart = Chart(self._texts, context.now)
        self.span = QComboBox()
        self._chart_title = label(self._texts.home.chart, "caption")
        self._lay_out()
        bridge = context.bridge
        bridge.status_changed.connect(self._take_status)
        bridge.link_changed.connect(self._take_link)
        bridge.readings_came.connect(self._take_readings)
        bridge.session_changed.connect(self._take_session)
        self.value.choice.currentTextChanged.connect(self._choose_metric)
        self.span.currentIndexChanged.connect(self._choose_span)
        self._clock = QTimer(self, interval=TICK_MS)
        self._clock.timeout.connect(self._tick)
        self._clock.start()
        self._tick()
        if bridge.status is not None:
            self._take_status(bridge.status)
        if bridge.session is not None:
            self._ask_for_values()

    @property
    def chosen(self) -> str | None:
        """The metric that is shown."""
        return self.value.choice.currentText() or None

    # -- what comes -------------------------------------------------------------------------------------------------

    def _take_link(self, _: LinkState) -> None:
        self._tick()

    def _take_status(self, status: Status) -> None:
        self.backlog.show_view(self._watch.view(status.backlog, self._context.now(), self._texts))
        self.connection.show_now()
        self.sync.show_now()

    def _take_session(self, who: WhoAmI) -> None:
        self._series.clear()
        self._asked.clear()
        self._missing.clear()
        if who.session is not None:
            self._ask_for_values()
        self.value.show_metrics([])
        self._tick()

    def _ask_for_values(self) -> None:
        if self._context.may(Permission.TELEMETRY_READ):
            self.value.contents.show_loading()
            self._context.bridge.ask(self, "latest", NoParams(), self._take_first, self._no_values)
        else:
            self.value.contents.show_empty(
                self._texts.home.no_right_to_values.format(permission=Permission.TELEMETRY_READ.value)
            )

    def _no_values(self, error: ErrorBody) -> None:
        self.value.contents.show_failed(self._texts.problem(error.code, error.message))

    def _take_first(self, latest: Latest) -> None:
        self._context.bridge.latest.update(latest.values)
        self._take_readings(latest)

    def _take_readings(self, latest: Latest) -> None:
        for name, newest in latest.values.items():
            self._add(name, newest.at_ms, newest.value)
        names = sorted(name for name in self._context.bridge.latest)
        self.value.show_metrics(names)
        self._show_value()

    def _add(self, name: str, at_ms: int, value: object) -> None:
        if isinstance(value, bool | int | float):
            series = self._series.setdefault(name, Series())
            series.add(Point(at_ms / 1000, float(value)))
            since = series.gap_before(at_ms / 1000)
            if since is not None:
                self._missing[name] = min(since, self._missing.get(name, since))
                if not self._mend.isActive():
                    self._mend.start()

    def _ask_for_missing(self) -> None:
        """Fetch what the agent did not tell: of many readings at once it tells the newest. A gap may also be a true one."""
        missing, self._missing = self._missing, {}
        for name, since in missing.items():
            if name == self.chosen:
                self._ask_for_past(name, math.ceil(self._context.now() - since) + 1)
            else:
                self._asked.discard(name)  # it is fetched when it is looked at

    def _ask_for_past(self, name: str, seconds: int) -> None:
        self._asked.add(name)
        params = RecentParams(metric=name, seconds=min(max(seconds, 1), RECENT_SECONDS))
        self._context.bridge.ask(self, "recent", params, self._take_recent, lambda _: self._asked.discard(name))

    def _choose_metric(self, name: str) -> None:
        if not name:
            return
        self.chart.show_series(name, self._series.setdefault(name, Series()))
        self._context.preferences.change(metric=name)
        if name not in self._asked:
            self._ask_for_past(name, RECENT_SECONDS)
        self._show_value()

    def _take_recent(self, recent: Recent) -> None:
        """Put the past where it belongs among what came meanwhile."""
        series = self._series.setdefault(recent.metric, Series())
        series.fill(Point(at / 1000, float(v)) for at, v in recent.samples if isinstance(v, bool | int | float))
        if recent.metric == self.chosen:
            self.chart.show_series(recent.metric, series)

    def _choose_span(self, index: int) -> None:
        self._show_span(SPANS[index])
        self._context.preferences.change(chart_seconds=SPANS[index])

    # -- how it looks -----------------------------------------------------------------------------------------------

    def _show_span(self, seconds: int) -> None:
        self.chart.show_span(float(seconds))

    def _tick(self) -> None:
        self.connection.show_now()
        self.sync.show_now()
        self._show_value()

    def _show_value(self) -> None:
        name = self.chosen
        newest = self._context.bridge.latest.get(name) if name is not None else None
        if name is None or newest is None:
            if self.value.contents.face == "content":
                self.value.contents.show_empty(self._texts.home.no_values, self._texts.home.no_values_hint)
            return
        series = self._series.get(name)
        self.value.show_value(name, newest, series.interval() if series is not None else None)

    def _lay_out(self) -> None:
        home, form = self._texts.home, self._texts.format
        self.span.setAccessibleName(home.chart_span)
        for seconds in SPANS:
            self.span.addItem(form.duration(seconds))
        kept = self._context.preferences.value.chart_seconds
        self.span.setCurrentIndex(SPANS.index(kept) if kept in SPANS else 0)
        self._show_span(SPANS[self.span.currentIndex()])
        below = Card()
        below.column.addLayout(row(self._chart_title, None, self.span))
        below.column.addWidget(self.chart, 1)
        grid = self._room()
        grid.setContentsMargins(PAD, 4, PAD, 0)
        grid.setSpacing(GAP)
        grid.addWidget(self.value, 0, 0, 1, 3)
        grid.addWidget(self.connection, 0, 3, 1, 3)
        grid.addWidget(below, 1, 0, 1, 6)
        grid.addWidget(self.backlog, 2, 0, 1, 3)
        grid.addWidget(self.sync, 2, 3, 1, 3)
        grid.setRowStretch(1, 1)
        for number in range(6):
            grid.setColumnStretch(number, 1)

    def _room(self) -> QGridLayout:
        """Return the room for the cards. It is in its place before they come: whatever is moved is dressed anew."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        layout.addWidget(scroll)
        inner = QWidget()
        scroll.setWidget(inner)
        return QGridLayout(inner)
