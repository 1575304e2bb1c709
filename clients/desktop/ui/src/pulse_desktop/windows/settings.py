"""The settings: this device (read only), what the agent does (by right), and this window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from pulse_contracts.local_people import KeyParams, KeyValueParams, Setting, SettingOrigin, Settings
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import DeviceInfo, NoParams
from pulse_contracts.permissions import Permission
from pulse_contracts.value_specs import ValueSpec, ValueType
from pulse_desktop.model.settings import amount_text, as_text, from_text, hint_text, text_problem, unit_word
from pulse_desktop.preferences import Appearance
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import PAD, SCROLL_BAR, Tone
from pulse_desktop.turns import in_turns
from pulse_desktop.widgets.basics import Card, Field, allow, button, explain, label, row
from pulse_desktop.widgets.states import Contents
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.context import Context

Control = QLineEdit | QComboBox | QCheckBox
GATHER_MS: Final = 150
"""Changes that come together are read again once."""
_FOLLOWED: Final = frozenset({"settings", "config"})


class SettingsDialog(QDialog):
    """Each setting of the agent is checked while it is typed and saved together with the others."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        words = self._texts.settings
        self.setWindowTitle(words.title)
        self.resize(620, 700)
        self.lines: dict[str, SettingLine] = {}
        self._left: list[SettingLine] = []
        self._is_saving = False
        self._again = QTimer(self, singleShot=True, interval=GATHER_MS)
        self._again.timeout.connect(self._read_again)
        self.note = Note()
        self.device = Card(words.device)
        self._facts = QFormLayout()
        self._facts.setHorizontalSpacing(24)
        self._facts.setVerticalSpacing(6)
        self.device.column.addLayout(self._facts)
        self.agent = Card(words.agent)
        self.agent.column.setSpacing(14)
        self.window_card = WindowCard(context)
        scroll = QScrollArea()
        self.contents = Contents(scroll, self._texts.general, self._load)
        self.save = button(self._texts.general.save, self._save, "primary")
        self.save.setDefault(True)
        self._close = button(self._texts.general.close, self.close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self.contents, 1)
        inner = QWidget()
        scroll.setWidgetResizable(True)
        scroll.setWidget(inner)
        column = QVBoxLayout(inner)  # in its place before the cards come: whatever is moved is dressed anew
        scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # else the cards' edge moves
        column.setContentsMargins(PAD, PAD, PAD - SCROLL_BAR, PAD)
        column.setSpacing(12)
        for card in (self.device, self.agent, self.window_card):
            column.addWidget(card)
        column.addStretch(1)
        foot = QVBoxLayout()
        foot.setContentsMargins(PAD, 0, PAD, PAD)
        foot.setSpacing(10)
        foot.addWidget(self.note)
        foot.addLayout(row(None, self._close, self.save))
        layout.addLayout(foot)
        context.bridge.lists_changed.connect(self._take_changes)
        self._allow()
        self._load()

    def _load(self) -> None:
        self.contents.show_loading()
        self._context.bridge.ask(self, "settings.read", NoParams(), self._take, self._not_loaded)

    def _not_loaded(self, error: ErrorBody) -> None:
        self.contents.show_failed(self._texts.problem(error.code, error.message))

    def _take(self, settings: Settings) -> None:
        self._show_device(settings.device)
        if not settings.can_change:
            words = self._texts.settings
            self.note.say(Tone.INFO, words.read_only.format(permission=Permission.CONFIG_WRITE.value))
        in_turns(self, self._show_settings(list(settings.items), settings.can_change))

    def _show_settings(self, settings: list[Setting], can_change: bool) -> Iterator[None]:
        for setting in settings:
            line = self.lines.get(setting.key)
            if line is None:
                line = SettingLine(self._context, setting, can_change, self._allow, self._reset)
                self.lines[setting.key] = line
                self.agent.column.addWidget(line)
            line.show_setting(setting)
            yield
        self._order_stops()
        self.contents.show_content()
        self._allow()

    def _order_stops(self) -> None:
        """Have the Tab key go from above to below: the settings came after the buttons at the foot."""
        stops = [stop for line in self.lines.values() for stop in line.stops]
        for before, after in pairwise((*stops, *self.window_card.stops, self._close, self.save)):
            QWidget.setTabOrder(before, after)

    def _take_changes(self, entities: frozenset[str]) -> None:
        if entities & _FOLLOWED:
            self._again.start()

    def _read_again(self) -> None:
        if not self._is_saving:  # it reads again by itself
            self._context.bridge.ask(self, "settings.read", NoParams(), self._take_news, lambda _: None)

    def _take_news(self, settings: Settings) -> None:
        """Follow what was changed elsewhere and say so; what somebody is typing stays."""
        if self._is_saving or self.contents.face != "content":
            return
        lines = [(self.lines.get(setting.key), setting) for setting in settings.items]
        changes = [change for line, setting in lines if line is not None and (change := line.follow(setting))]
        if changes:
            self.note.say(Tone.INFO, self._texts.settings.changed_elsewhere.format(what="; ".join(changes)))
        self._allow()

    def _show_device(self, device: DeviceInfo) -> None:
        words = self._texts.settings
        broker = words.encrypted if device.is_tls else words.unencrypted
        store = words.key_store_keyring if device.key_store == "keyring" else words.key_store_file
        while self._facts.rowCount():
            self._facts.removeRow(0)
        for name, text in (
            (words.device_name, device.name),
            (words.device_id, device.device_id),
            (self._texts.assistant.address, device.server_url),
            (words.broker, broker.format(host=device.broker_host, port=device.broker_port)),
            (words.key_store, store),
        ):
            shown = label(text, wraps=True)
            shown.setAccessibleName(f"{name}: {text}")
            self._facts.addRow(label(name, "soft"), shown)

    def _allow(self) -> None:
        changed = [line for line in self.lines.values() if line.is_changed]
        self.save.setEnabled(bool(changed) and not any(line.problem for line in changed))

    def _save(self) -> None:
        self._left = [line for line in self.lines.values() if line.is_changed]
        self._is_saving = True
        self.save.setEnabled(False)
        self._go_on()

    def _go_on(self) -> None:
        if not self._left:
            self.note.say(Tone.OK, self._texts.settings.saved)
            self._is_saving = False
            self._read_again()
            return
        line = self._left.pop(0)
        params = KeyValueParams(key=line.key, value=line.value)

        def took(setting: Setting) -> None:
            line.show_setting(setting)
            self._go_on()

        def refused(error: ErrorBody) -> None:
            line.show_problem(self._texts.problem(error.code, error.message))
            self._is_saving = False
            self._allow()

        self._context.bridge.ask(self, "settings.change", params, took, refused)

    def _reset(self, line: SettingLine) -> None:
        def took(setting: Setting) -> None:
            line.show_setting(setting)
            self._allow()

        def refused(error: ErrorBody) -> None:
            line.show_problem(self._texts.problem(error.code, error.message))

        self._context.bridge.ask(self, "settings.reset", KeyParams(key=line.key), took, refused)


class SettingLine(QWidget):
    """One setting: its control, its unit, where its value comes from, and the way back to what others have."""

    def __init__(
        self,
        context: Context,
        setting: Setting,
        can_change: bool,
        on_change: Callable[[], None],
        on_reset: Callable[[SettingLine], None],
    ) -> None:
        super().__init__()
        self._texts = context.texts
        self.key = setting.key
        self._spec = setting.spec
        self._can_change = can_change
        self._shown = ""
        words = self._texts.settings
        self._control = _control(setting.spec)
        unit = f" ({unit_word(setting.spec, self._texts)})" if setting.spec.unit else ""
        self._name = words.keys.get(setting.key, setting.key)
        self.field = Field(self._name + unit, self._control, hint_text(setting.key, setting.spec, self._texts))
        self.origin = label("", "faint")
        self.reset = button(words.reset, lambda: on_reset(self), "link")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.field)
        layout.addLayout(row(self.origin, None, self.reset))

        def changed() -> None:
            self._look()
            on_change()

        if isinstance(self._control, QLineEdit):
            self._control.textChanged.connect(lambda _: changed())
        elif isinstance(self._control, QComboBox):
            self._control.currentIndexChanged.connect(lambda _: changed())
        else:
            self._control.toggled.connect(lambda _: changed())

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """What the Tab key stops at."""
        return self._control, self.reset

    @property
    def text(self) -> str:
        """What stands in the control, as a text."""
        if isinstance(self._control, QComboBox):
            return self._control.currentText()
        if isinstance(self._control, QCheckBox):
            return "true" if self._control.isChecked() else "false"
        return self._control.text()

    @property
    def is_changed(self) -> bool:
        """Whether it is not what is in force."""
        return self.text != self._shown

    @property
    def problem(self) -> str:
        """What is wrong with what stands there."""
        return text_problem(self._spec, self.text, self._texts)

    @property
    def value(self) -> object:
        """What stands there, as a value."""
        return from_text(self._spec, self.text)

    def follow(self, setting: Setting) -> str:
        """Show what holds since somebody else changed it; return that in words, nothing if it is the same."""
        before, typed = self._shown, self.text if self.is_changed else None
        self.show_setting(setting)
        if typed is not None:
            self._write(typed)
        if self._shown == before:
            return ""
        change = f"{self._name} {before or '—'} → {self._shown or '—'}"
        is_typed = typed is not None and self.is_changed
        return self._texts.settings.typed_stays.format(change=change) if is_typed else change

    def show_setting(self, setting: Setting) -> None:
        """Show what is in force and where it comes from."""
        words = self._texts.settings
        self._shown = as_text(setting.spec, setting.value)
        self._write(self._shown)
        is_local = setting.origin is SettingOrigin.LOCAL
        meaning = amount_text(setting.spec, setting.value, self._texts)
        parts = [meaning] if meaning else []
        parts.append(words.origin.get(setting.origin, setting.origin))
        if setting.is_pending:
            parts.append(self._texts.administration.not_sent)
        self.origin.setText(" · ".join(parts))
        self._control.setEnabled(self._can_change and not is_local)
        self.reset.setVisible(self._can_change and setting.origin is SettingOrigin.DEVICE)
        problem = setting.problem or ""
        self.field.show_problem(problem and self._texts.agents_words(problem, words.not_applicable))

    def _write(self, text: str) -> None:
        if isinstance(self._control, QComboBox):
            self._control.setCurrentText(text)
        elif isinstance(self._control, QCheckBox):
            self._control.setChecked(text == "true")
        elif self._control.text() != text:
            self._control.setText(text)

    def show_problem(self, problem: str) -> None:
        """Show why it was not taken."""
        self.field.show_problem(problem)

    def _look(self) -> None:
        self.field.show_problem(self.problem if self.is_changed else "")


class WindowCard(Card):
    """What concerns this window on this machine alone; it holds at once."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.texts.settings.window)
        self._context = context
        texts = context.texts
        words, home, chosen = texts.settings, texts.home, context.preferences.value
        self.appearance = QComboBox()
        for value, text in zip(Appearance, (home.theme_system, home.theme_light, home.theme_dark), strict=True):
            self.appearance.addItem(text, value)
        self.appearance.setCurrentIndex(list(Appearance).index(chosen.appearance))
        self.language = QComboBox()
        for language, text in zip(Language, ("English", "Deutsch"), strict=True):
            self.language.addItem(text, language)
        self.language.setCurrentIndex(list(Language).index(chosen.language))
        self.autostart = QCheckBox(words.autostart)
        self.tray = QCheckBox(words.tray)
        self.tray.setChecked(chosen.stays_in_tray and context.has_tray())
        self.problem = Note()
        for box, hint in ((self.autostart, words.autostart_hint), (self.tray, words.tray_hint)):
            box.setAccessibleName(box.text())
            explain(box, hint)
        allow(self.tray, context.has_tray(), words.no_tray)
        self.column.setSpacing(10)
        self.column.addWidget(Field(home.theme, self.appearance))
        self.column.addWidget(Field(home.language, self.language))
        for widget in (self.autostart, self.tray, self.problem):
            self.column.addWidget(widget)
        try:
            self.autostart.setChecked(context.autostart.is_on())
        except OSError:
            self.autostart.setEnabled(False)
        self.appearance.currentIndexChanged.connect(self._choose_appearance)
        self.language.currentIndexChanged.connect(self._choose_language)
        self.autostart.toggled.connect(self._turn_autostart)
        self.tray.toggled.connect(lambda is_on: context.preferences.change(stays_in_tray=is_on))

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """What the Tab key stops at."""
        return self.appearance, self.language, self.autostart, self.tray

    def _choose_appearance(self, index: int) -> None:
        self._context.preferences.change(appearance=list(Appearance)[index])
        self._context.choices_changed()

    def _choose_language(self, index: int) -> None:
        self._context.preferences.change(language=list(Language)[index])
        self._context.choices_changed()

    def _turn_autostart(self, is_on: bool) -> None:
        try:
            self._context.autostart.set_on(is_on)
        except OSError as error:
            self.problem.say(Tone.BAD, self._context.texts.general.failed.format(reason=error))
            self.autostart.blockSignals(True)
            self.autostart.setChecked(not is_on)
            self.autostart.blockSignals(False)
        else:
            self.problem.say(Tone.INFO, "")


def _control(spec: ValueSpec) -> Control:
    if spec.choices:
        box = QComboBox()
        box.addItems(spec.choices)
        return box
    return QCheckBox() if spec.type is ValueType.BOOLEAN else QLineEdit()
