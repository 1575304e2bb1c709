"""The first-run assistant: what was entered, each step that is looked at, and what can be done next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from pulse_contracts.local_enrolment import EnrolReport, Step, StepReport, StepState
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.texts.language import Language
from pulse_desktop.theme.tokens import Tone

MIN_CODE_CHARS: Final = 8
MAX_CODE_CHARS: Final = 64
PEM_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_TONES: Final = {
    StepState.RUNNING: Tone.INFO,
    StepState.OK: Tone.OK,
    StepState.WARNING: Tone.WARN,
    StepState.FAILED: Tone.BAD,
    StepState.SKIPPED: Tone.MUTE,
}
_OF_CHECK: Final = (Step.ADDRESS, Step.TLS, Step.SERVER, Step.CLOCK)


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of the list of steps."""

    step: Step
    tone: Tone
    name: str
    state: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class AssistantState:
    """What the assistant knows; changed only by making another one."""

    reports: dict[Step, StepReport] = field(default_factory=dict)
    is_busy: bool = False
    is_checked: bool = False
    enrolled_as: str | None = None

    def begun(self, steps: Iterable[Step] = tuple(Step)) -> AssistantState:
        """A check or an enrolment began: these steps are looked at anew."""
        gone = set(steps)
        kept = {step: report for step, report in self.reports.items() if step not in gone}
        return replace(self, reports=kept, is_busy=True, is_checked=False, enrolled_as=None)

    def with_step(self, report: StepReport) -> AssistantState:
        """A step moved on."""
        return replace(self, reports={**self.reports, report.step: report})

    def ended(self, report: EnrolReport) -> AssistantState:
        """The check or the enrolment came to its end."""
        reports = {**self.reports, **{one.step: one for one in report.steps}}
        device = report.device
        return AssistantState(
            reports=reports,
            is_checked=all(
                step in reports and reports[step].state in (StepState.OK, StepState.WARNING) for step in _OF_CHECK
            ),
            enrolled_as=None if device is None else device.name or device.device_id,
        )

    def broken_off(self) -> AssistantState:
        """The agent did not answer: nothing is known."""
        return AssistantState()

    @property
    def has_failed(self) -> bool:
        """Whether a step failed."""
        return any(report.state is StepState.FAILED for report in self.reports.values())


def step_views(state: AssistantState, texts: Texts) -> list[StepView]:
    """Return every step in order, those not looked at yet included."""
    words = texts.assistant
    views = []
    for step in Step:
        report = state.reports.get(step)
        if report is None:
            views.append(StepView(step, Tone.MUTE, words.steps[step], words.states["waiting"], "", ""))
            continue
        needs_advice = report.state in (StepState.FAILED, StepState.WARNING)
        is_english = texts.language is Language.ENGLISH  # as the agent's own words are
        own = report.advice if is_english else texts.step_advice.get(report.code, "")
        advice = own or words.advice.get(step, "")
        views.append(
            StepView(
                step=step,
                tone=_TONES[report.state],
                name=words.steps[step],
                state=words.states[report.state],
                message=report.message if is_english else _found(report, texts),
                advice=words.what_to_do.format(advice=advice) if needs_advice and advice else "",
            )
        )
    return views


def _found(report: StepReport, texts: Texts) -> str:
    """Say what a step found; nothing where the agent did not tell all that the sentence needs."""
    try:
        return texts.found.get(report.code, "").format_map(report.facts)
    except KeyError:
        return ""


def address_problem(text: str, texts: Texts) -> str:
    """Say what is wrong with an address; empty when nothing is."""
    try:
        parts = urlsplit(text.strip())
        is_fit = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fit = False
    return "" if is_fit else texts.assistant.address_bad


def code_problem(text: str, texts: Texts) -> str:
    """Say what is wrong with a code; empty when nothing is."""
    return "" if MIN_CODE_CHARS <= len(text.strip()) <= MAX_CODE_CHARS else texts.assistant.code_bad
