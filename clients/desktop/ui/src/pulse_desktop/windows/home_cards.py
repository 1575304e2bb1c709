"""The cards of the main page: the current value, the connection, what waits, the last sync."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QProgressBar, QVBoxLayout, QWidget

from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_records import Compared
from pulse_contracts.local_status import Connection, LatestValue, NoParams
from pulse_desktop.link.state import LinkPhase
from pulse_desktop.model.backlog import BacklogView
from pulse_desktop.model.connection import connection_view
from pulse_desktop.model.values import Freshness, chosen_metric, value_view
from pulse_desktop.widgets.basics import Card, allow, button, label, row, set_look
from pulse_desktop.widgets.states import Contents
from pulse_desktop.widgets.status import Badge, Note
from pulse_desktop.windows.context import Context


class ValueCard(Card):
    """The big current value."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        texts = context.texts
        self._texts = texts
        self.choice = QComboBox()
        self.choice.setAccessibleName(texts.home.metric)
        self.choice.setMinimumWidth(190)
        self.figure = label("—", "value", has_figures=True)
        self.unit = label("", "unit")
        self.age = label("", "soft", has_figures=True)
        inner = QWidget()
        box = QVBoxLayout(inner)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        line = row(self.figure, self.unit, None, gap=10)
        line.setAlignment(self.unit, Qt.AlignmentFlag.AlignBottom)
        self.unit.setContentsMargins(0, 0, 0, 11)
        box.addStretch(1)
        box.addLayout(line)
        box.addWidget(self.age)
        box.addStretch(1)
        self.contents = Contents(inner, texts.general, self._nothing)
        self.contents.setMinimumHeight(104)
        self.column.addLayout(row(label(texts.home.current_value, "caption"), None, self.choice))
        self.column.addWidget(self.contents, 1)

    def show_metrics(self, names: list[str]) -> None:
        """Offer these metrics."""
        if [self.choice.itemText(n) for n in range(self.choice.count())] == names:
            return
        wanted = self.choice.currentText() or self._context.preferences.value.metric
        chosen = chosen_metric(names, wanted)
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems(names)
        self.choice.blockSignals(False)
        self.choice.setVisible(bool(names))
        if chosen is not None:
            self.choice.setCurrentText(chosen)
            self.choice.currentTextChanged.emit(chosen)

    def show_value(self, name: str, newest: LatestValue, interval: float | None) -> None:
        """Show the newest value of the chosen metric."""
        view = value_view(name, newest, interval, self._context.now(), self._texts)
        self.figure.setText(view.text)
        self.unit.setText(view.unit)
        self.age.setText(view.age)
        for part in (self.figure, self.unit):
            set_look(part, "freshness", view.freshness.value)
        set_look(self.age, "kind", "error" if view.freshness is Freshness.STALE else "soft")
        self.setAccessibleDescription(f"{name}: {view.text} {view.unit}, {view.age}")
        self.contents.show_content()

    def _failed(self, error: ErrorBody) -> None:
        self.contents.show_failed(self._context.texts.problem(error.code, error.message))

    def _nothing(self) -> None:
        self._context.bridge.ask(self, "latest", NoParams(), lambda _: None, self._failed)


class ConnectionCard(Card):
    """The state of the connection in words: since when, why, and what comes next."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.texts.home.connection)
        self._context = context
        self.badge = Badge()
        self.since = label("", "soft", has_figures=True)
        self.why = label("", wraps=True)
        self.next_step = label("", "soft", wraps=True, has_figures=True)
        self.column.setSpacing(8)
        for widget in (self.badge, self.since, self.why, self.next_step):
            self.column.addWidget(widget)
        self.column.addStretch(1)

    def show_now(self) -> None:
        """Say how it stands now."""
        context = self._context
        view = connection_view(context.bridge.link, context.bridge.status, context.now(), context.texts)
        self.badge.show_state(view.tone, view.word)
        for line, text in ((self.since, view.since), (self.why, view.why), (self.next_step, view.next_step)):
            line.setText(text)
            line.setVisible(bool(text))
        self.why.setToolTip(view.detail)
        self.setAccessibleDescription(view.sentence)


class BacklogCard(Card):
    """What waits on this disk; while it is caught up on, how far, how fast and how long still."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.texts.home.buffered)
        self._texts = context.texts
        self.count = label("—", "figure", has_figures=True)
        self.detail = label("", "soft", wraps=True, has_figures=True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(context.texts.home.drain)
        self.percent = label("", has_figures=True)
        self.words = label("", "soft", wraps=True, has_figures=True)
        self.warning = Note()
        self._drain = QWidget()
        box = QVBoxLayout(self._drain)
        box.setContentsMargins(0, 4, 0, 0)
        box.setSpacing(5)
        box.addLayout(row(label(context.texts.home.drain), None, self.percent))
        box.addWidget(self.progress)
        box.addWidget(self.words)
        for widget in (self.count, self.detail, self._drain, self.warning):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self._drain.setVisible(False)

    def show_view(self, view: BacklogView) -> None:
        """Show what waits."""
        self.count.setText(view.count)
        self.detail.setText(view.detail)
        self.warning.say(view.tone, view.warning)
        self._drain.setVisible(view.drain is not None)
        spoken = f"{view.count}. {view.detail}"
        if view.drain is not None:
            self.progress.setValue(round(view.drain.share * 1000))
            self.percent.setText(view.drain.percent)
            self.words.setText(f"{view.drain.left}, {view.drain.rate}, {view.drain.time_left}")
            spoken = f"{spoken}. {view.drain.sentence}"
        self.setAccessibleDescription(spoken)


class SyncCard(Card):
    """The last sync, edits under way, and the button that compares everything now."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.texts.home.last_sync)
        self._context = context
        self._texts = context.texts
        self._is_busy = False
        self.when = label("", "figure", has_figures=True)
        self.detail = label("", "soft", wraps=True, has_figures=True)
        self.outcome = label("", wraps=True)
        self.outcome.setVisible(False)
        self.now = button(self._texts.home.sync_now, self.sync_now)
        for widget in (self.when, self.detail, self.outcome):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self.column.addLayout(row(self.now, None))

    def show_now(self) -> None:
        """Say how sync stands now."""
        context, texts = self._context, self._texts
        home, general = texts.home, texts.general
        status = context.bridge.status
        is_there = context.bridge.link.phase is LinkPhase.CONNECTED
        if status is None:
            self.when.setText("—")
            allow(self.now, False, general.needs_agent)
            return
        sync = status.sync
        at = sync.last_sync_ms
        self.when.setText(general.never if at is None else texts.format.ago(at / 1000, context.now()))
        self.when.setToolTip("" if at is None else texts.format.date_time(at / 1000))
        parts = []
        if not sync.is_taking_part:
            parts.append(home.sync_off)
        elif sync.error:
            parts.append(home.sync_failing)
        else:
            is_reached = status.connection.state in (Connection.ONLINE, Connection.DRAINING)
            known = home.up_to_date if is_reached else home.as_of_then
            parts.append(home.behind.of(sync.behind) if sync.behind else known)
        if sync.pending:
            parts.append(home.pending_edits.of(sync.pending))
        self.detail.setText(" · ".join(parts))
        can = is_there and sync.is_taking_part and not self._is_busy
        allow(
            self.now,
            can,
            general.needs_agent if not is_there else home.syncing if sync.is_taking_part else home.sync_off,
        )

    def sync_now(self) -> None:
        """Compare all that is here with the server."""
        if self._is_busy:
            return
        self._be_busy(True)
        self._context.bridge.ask(self, "sync.now", NoParams(), self._compared, self._failed)

    def _compared(self, compared: Compared) -> None:
        self._be_busy(False)
        words = self._texts.administration
        what = ", ".join(words.entities.get(one, one) for one in compared.differed)
        self._say(self._texts.home.synced_differed.format(what=what) if what else self._texts.home.synced, "soft")

    def _failed(self, error: ErrorBody) -> None:
        self._be_busy(False)
        reason = self._texts.problem(error.code, error.message)
        self._say(self._texts.home.sync_failed.format(reason=reason), "error")

    def _say(self, text: str, kind: str) -> None:
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))
        set_look(self.outcome, "kind", kind)

    def _be_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self.now.setText(self._texts.home.syncing if is_busy else self._texts.home.sync_now)
        self._say("", "soft")
        self.show_now()
