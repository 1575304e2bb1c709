"""Signing in, with the server or without it: who it was last time, and why it did not work."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from pulse_contracts.local_people import Session, SignInParams
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.local_status import Connection, Status
from pulse_desktop.link.state import LinkPhase
from pulse_desktop.model.access import sign_in_problem
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import Card, Field, allow, button, label, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.context import Context

_WIDTH = 380


class SignInPage(QWidget):
    """Shown while nobody is signed in. The password is forgotten as soon as it was sent."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._texts = context.texts
        words = self._texts.home
        self._is_busy = False
        self.username = QLineEdit(context.preferences.value.username)
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.username_field = Field(words.username, self.username)
        self.password_field = Field(words.password, self.password)
        self.remember = QCheckBox(words.remember)
        self.remember.setChecked(bool(context.preferences.value.username))
        self.remember.setAccessibleName(words.remember)
        self.remember.setAccessibleDescription(words.remember_hint)
        self.remember.setToolTip(words.remember_hint)
        self.submit = button(words.sign_in, self._submit, "primary")
        self.note = Note()
        self.server = label("", "faint", wraps=True)
        self.server.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.username.returnPressed.connect(self.password.setFocus)
        self.password.returnPressed.connect(self._submit)
        card = Card(pad=24)
        card.setFixedWidth(_WIDTH)
        card.column.setSpacing(14)
        card.column.addWidget(label(words.sign_in, "title"))
        for widget in (self.note, self.username_field, self.password_field, self.remember, self.submit, self.server):
            card.column.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        layout.addLayout(
            row(None, card, None)
        )  # with an alignment, lines that wrap would take their room from the fields
        layout.addStretch(3)
        context.bridge.status_changed.connect(self._take_status)
        if context.bridge.status is not None:
            self._take_status(context.bridge.status)

    def open(self, reason: str = "") -> None:
        """Be shown, with why a session ended where one did."""
        self.note.say(Tone.INFO, reason)
        (self.password if self.username.text() else self.username).setFocus()

    def _take_status(self, status: Status) -> None:
        words = self._texts.home
        is_reached = status.connection.state in (Connection.ONLINE, Connection.DRAINING)
        text = words.server_reached if is_reached else words.server_not_reached
        if not status.sync.is_taking_part:
            text = self._texts.problem("no_sync", "")
        elif status.sync.last_sync_ms is None:
            text = words.not_synced
        if self.server.text() != text:
            self.server.setText(text)

    def _submit(self) -> None:
        words = self._texts.home
        name, password = self.username.text().strip(), self.password.text()
        self.username_field.show_problem("" if name else words.missing)
        self.password_field.show_problem("" if password else words.missing)
        if self._is_busy or not name or not password:
            return
        if self._context.bridge.link.phase is not LinkPhase.CONNECTED:
            self.note.say(Tone.BAD, self._texts.general.needs_agent)
            return
        self._be_busy(True)
        self.note.say(Tone.INFO, "")
        params = SignInParams(username=name, password=password)
        self._context.bridge.ask(self, "sign_in", params, self._signed_in, self._refused)

    def _signed_in(self, session: Session) -> None:
        self._be_busy(False)
        self.password.clear()
        self._context.preferences.change(username=self.username.text().strip() if self.remember.isChecked() else "")

    def _refused(self, error: ErrorBody) -> None:
        self._be_busy(False)
        self.password.clear()
        self.note.say(Tone.BAD, sign_in_problem(error, self._texts))
        self.password.setFocus()

    def _be_busy(self, is_busy: bool) -> None:
        words = self._texts.home
        self._is_busy = is_busy
        self.submit.setText(words.signing_in if is_busy else words.sign_in)
        allow(self.submit, not is_busy, words.signing_in)
        self.username.setEnabled(not is_busy)
        self.password.setEnabled(not is_busy)
