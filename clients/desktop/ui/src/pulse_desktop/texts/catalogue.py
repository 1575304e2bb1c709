"""All texts of a language, by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_desktop.texts import administration, assistant, general, home, problems, records, settings, updates
from pulse_desktop.texts.format import Format
from pulse_desktop.texts.language import Language


@dataclass(frozen=True, slots=True)
class Texts:
    """What the window says in one language, and how that language writes figures and times."""

    language: Language
    format: Format
    general: general.GeneralTexts
    home: home.HomeTexts
    assistant: assistant.AssistantTexts
    administration: administration.AdministrationTexts
    records: records.RecordTexts
    settings: settings.SettingsTexts
    updates: updates.UpdateTexts
    problems: dict[str, str]
    found: dict[str, str]
    step_advice: dict[str, str]

    def problem(self, code: str, message: str) -> str:
        """Return why something failed: in words of ours where the code is known, in the agent's English otherwise."""
        known = self.problems.get(code)
        return known or self.agents_words(message, self.general.refused.format(code=code))

    def agents_words(self, message: str, otherwise: str) -> str:
        """Return a sentence of the agent where this language is its own, which is English; something else otherwise."""
        if self.language is not Language.ENGLISH or not message:
            return otherwise
        return message[:1].upper() + message[1:] + ("" if message.endswith((".", "!", "?")) else ".")


TEXTS: Final[dict[Language, Texts]] = {
    Language.ENGLISH: Texts(
        Language.ENGLISH,
        Format(Language.ENGLISH),
        general.ENGLISH,
        home.ENGLISH,
        assistant.ENGLISH,
        administration.ENGLISH,
        records.ENGLISH,
        settings.ENGLISH,
        updates.ENGLISH,
        problems.ENGLISH,
        {},
        {},
    ),
    Language.GERMAN: Texts(
        Language.GERMAN,
        Format(Language.GERMAN),
        general.GERMAN,
        home.GERMAN,
        assistant.GERMAN,
        administration.GERMAN,
        records.GERMAN,
        settings.GERMAN,
        updates.GERMAN,
        problems.GERMAN,
        problems.FOUND_GERMAN,
        problems.ADVICE_GERMAN,
    ),
}
