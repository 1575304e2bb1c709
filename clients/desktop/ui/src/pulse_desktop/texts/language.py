"""The languages, how a text is filled in, and which form a count takes."""

from __future__ import annotations

import locale
from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """The languages that the window and the dashboard speak."""

    ENGLISH = "en"
    GERMAN = "de"


@dataclass(frozen=True, slots=True)
class Plural:
    """One form for one, another for any other count; `{count}` is filled in."""

    one: str
    other: str

    def of(self, count: int, shown: str | None = None) -> str:
        """Return the form for `count`, written as `shown` where that is given."""
        return (self.one if count == 1 else self.other).format(count=shown if shown is not None else count)


def language_of_system() -> Language:
    """Return the language of the person's system, English when it is none of ours."""
    code = (locale.getlocale()[0] or "").lower()
    return Language.GERMAN if code.startswith(("de", "german")) else Language.ENGLISH
