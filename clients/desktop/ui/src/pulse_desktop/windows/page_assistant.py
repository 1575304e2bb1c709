"""The first-run assistant: address, code, and a list in which each step shows how it went and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from pulse_contracts.local_enrolment import EnrolCheckParams, EnrolParams, EnrolReport, Step, StepEvent
from pulse_contracts.local_protocol import ErrorBody
from pulse_desktop.model.assistant import (
    PEM_BEGIN,
    AssistantState,
    StepView,
    address_problem,
    code_problem,
    step_views,
)
from pulse_desktop.theme.tokens import PAD, Tone
from pulse_desktop.widgets.basics import Card, Field, allow, button, label, row
from pulse_desktop.widgets.status import Note, Shape
from pulse_desktop.windows.context import Context

MAX_PEM_BYTES: Final = 32 * 1024
_CHECKED_STEPS: Final = (Step.ADDRESS, Step.TLS, Step.SERVER, Step.CLOCK)


class AssistantPage(QWidget):
    """Shown while the agent is nobody's device yet."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._texts = context.texts
        self._words = self._texts.assistant
        self.state = AssistantState()
        self._ticket = 0
        self._ca_pem: str | None = None
        self.address = QLineEdit()
        self.address.setPlaceholderText("https://")
        self.code = QLineEdit()
        self.keyring = QCheckBox(self._words.keyring)
        self.keyring.setChecked(True)
        self.keyring.setAccessibleName(self._words.keyring)
        self.keyring.setAccessibleDescription(self._words.keyring_hint)
        self.keyring.setToolTip(self._words.keyring_hint)
        self.address_field = Field(self._words.address, self.address, self._words.address_hint)
        self.code_field = Field(self._words.code, self.code, self._words.code_hint)
        self._ca_label = label(self._words.authority_none, "soft")
        self._ca_choose = button(self._words.authority_choose, self._choose_authority)
        self._ca_clear = button(self._words.authority_clear, self._clear_authority, "quiet")
        self.check = button(self._words.check, self._check)
        self.enrol = button(self._words.enrol, self._enrol, "primary")
        self.note = Note()
        self.steps = {step: _StepLine() for step in Step}
        self.address.returnPressed.connect(self._check)
        self.code.returnPressed.connect(self._enrol)
        self.address.textEdited.connect(lambda _: self.address_field.show_problem(""))
        self.code.textEdited.connect(lambda _: self.code_field.show_problem(""))
        self._lay_out()
        context.bridge.step_came.connect(self._take_step)
        self._show()

    # -- what is done -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self.state.is_busy or not self._is_address_fit():
            return
        self.state = self.state.begun(_CHECKED_STEPS)
        params = EnrolCheckParams(url=self.address.text().strip(), ca_pem=self._ca_pem)
        self._ticket = self._context.bridge.ask(self, "enrol.check", params, self._ended, self._failed)
        self._show()

    def _enrol(self) -> None:
        problem = code_problem(self.code.text(), self._texts)
        self.code_field.show_problem(problem)
        if self.state.is_busy or not self._is_address_fit() or problem:
            return
        self.state = self.state.begun()
        params = EnrolParams(
            url=self.address.text().strip(),
            ca_pem=self._ca_pem,
            code=self.code.text().strip(),
            use_keyring=self.keyring.isChecked(),
        )
        self._ticket = self._context.bridge.ask(self, "enrol.enrol", params, self._ended, self._failed)
        self._show()

    def _is_address_fit(self) -> bool:
        problem = address_problem(self.address.text(), self._texts)
        self.address_field.show_problem(problem)
        return not problem

    def _choose_authority(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, self._words.authority, "", "PEM (*.pem *.crt *.cer)")
        if chosen:
            self.take_authority(Path(chosen))

    def take_authority(self, path: Path) -> None:
        """Trust the authority of a PEM file for this server."""
        try:
            text = path.read_text(encoding="ascii") if path.stat().st_size <= MAX_PEM_BYTES else ""
        except (OSError, ValueError):
            text = ""
        if PEM_BEGIN not in text:
            self.note.say(Tone.BAD, self._words.authority_bad)
            return
        self._ca_pem = text
        self._ca_label.setText(path.name)
        self._ca_clear.setVisible(True)
        self.note.say(Tone.INFO, "")

    def _clear_authority(self) -> None:
        self._ca_pem = None
        self._ca_label.setText(self._words.authority_none)
        self._ca_clear.setVisible(False)

    # -- what comes -------------------------------------------------------------------------------------------------

    def _take_step(self, event: StepEvent) -> None:
        if event.request == self._ticket:
            self.state = self.state.with_step(event.report)
            self._show()

    def _ended(self, report: EnrolReport) -> None:
        self.state = self.state.ended(report)
        if self.state.enrolled_as is not None and report.device is not None:
            kept = self._words.key_in_keyring if report.device.key_store == "keyring" else self._words.key_in_file
            self.note.say(Tone.OK, f"{self._words.enrolled.format(name=self.state.enrolled_as)} {kept}")
        elif self.state.has_failed:
            self.note.say(Tone.BAD, self._words.not_enrolled)
        elif self.state.is_checked:
            self.note.say(Tone.OK, self._words.checked)
            self.code.setFocus()
        self._show()

    def _failed(self, error: ErrorBody) -> None:
        self.state = self.state.broken_off()
        self.note.say(Tone.BAD, self._texts.problem(error.code, error.message))
        self._show()

    # -- how it looks -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        is_free = not self.state.is_busy and self.state.enrolled_as is None
        if self.state.is_busy:
            self.note.say(Tone.INFO, "")
        for widget in (self.address, self.code, self.keyring, self._ca_choose, self._ca_clear):
            widget.setEnabled(is_free)
        allow(self.check, is_free, self._words.checking)
        allow(self.enrol, is_free, self._words.enrolling)
        for view in step_views(self.state, self._texts):
            self.steps[view.step].show_view(view)

    def _lay_out(self) -> None:
        words = self._words
        form = Card()
        form.column.setSpacing(14)
        form.column.addWidget(label(words.title, "title"))
        form.column.addWidget(label(words.intro, "soft", wraps=True))
        form.column.addWidget(self.address_field)
        authority = QWidget()
        box = QVBoxLayout(authority)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(label(words.authority, "caption"))
        box.addLayout(row(self._ca_choose, self._ca_label, self._ca_clear, None))
        box.addWidget(label(words.authority_hint, "faint", wraps=True))
        self._ca_clear.setVisible(False)
        form.column.addWidget(authority)
        form.column.addWidget(self.code_field)
        form.column.addWidget(self.keyring)
        form.column.addWidget(self.note)
        form.column.addLayout(row(None, self.check, self.enrol))
        form.column.addStretch(1)
        side = Card()
        side.column.setSpacing(12)
        for line in self.steps.values():
            side.column.addWidget(line)
        side.column.addStretch(1)
        inner = QWidget()
        both = QHBoxLayout(inner)
        both.setContentsMargins(PAD, PAD, PAD, PAD)
        both.setSpacing(PAD)
        both.addWidget(form, 3)
        both.addWidget(side, 2)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)


class _StepLine(QWidget):
    """One step: shape, name and state, below what was found and what to do."""

    def __init__(self) -> None:
        super().__init__()
        self._shape = Shape(Tone.MUTE)
        self._name = label("", wraps=True)
        self._state = label("", "faint")
        self._message = label("", "soft", wraps=True)
        self._advice = label("", wraps=True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self._shape, 0, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._name, 0, 1)
        grid.addWidget(self._state, 0, 2, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self._message, 1, 1, 1, 2)
        grid.addWidget(self._advice, 2, 1, 1, 2)

    def show_view(self, view: StepView) -> None:
        """Show how the step stands."""
        self._shape.show_tone(view.tone)
        self._name.setText(view.name)
        self._state.setText(view.state)
        for line, text in ((self._message, view.message), (self._advice, view.advice)):
            line.setText(text)
            line.setVisible(bool(text))
        self.setAccessibleName(f"{view.name}: {view.state}. {view.message} {view.advice}".strip())

    @property
    def sentence(self) -> str:
        """What is said of the step."""
        return self.accessibleName()
