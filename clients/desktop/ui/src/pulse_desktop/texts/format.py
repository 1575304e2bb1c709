"""Numbers, times and spans of time as a language writes them, the same way as the dashboard does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pulse_desktop.texts.language import Language

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_MONTHS: Final = {
    Language.ENGLISH: ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"),
    Language.GERMAN: ("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."),
}
_BYTES: Final = ("byte", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Format:
    """The format of one language. Times are Unix seconds and shown in the local zone."""

    language: Language

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with separators: `1,234.5`, in German `1.234,5`."""
        text = f"{value:,.{digits}f}"
        return text if self.language is Language.ENGLISH else text.translate(str.maketrans(",.", ".,"))

    def reading(self, value: float | bool | str, *, is_fractional: bool = False) -> str:
        """Return a reading: as many digits as say something, always the same number for one magnitude."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return ("On" if value else "Off") if self.language is Language.ENGLISH else ("Ein" if value else "Aus")
        if not math.isfinite(value):
            return "—"
        if not is_fractional and float(value).is_integer():
            return self.number(value)
        size = abs(value)
        return self.number(value, 0 if size >= 1_000 else 1 if size >= 100 else 2 if size >= 1 else 3)

    def bytes(self, value: float) -> str:
        """Return an amount of bytes in the largest fitting unit of a thousand."""
        power = min(len(_BYTES) - 1, 0 if value < 1 else int(math.log10(value) / 3))
        scaled = value / 1000**power
        return f"{self.number(scaled, 0 if power == 0 or scaled >= 100 else 1)} {_BYTES[power]}"

    def percent(self, ratio: float) -> str:
        """Return a share as whole percent; what is not quite all is never shown as 100."""
        shown = 99 if 0.99 < ratio < 1 else round(ratio * 100)
        return f"{shown}%" if self.language is Language.ENGLISH else f"{shown} %"

    def time(self, at: float) -> str:
        """Return the time of day with seconds."""
        return _local(at).strftime("%H:%M:%S")

    def date_time(self, at: float) -> str:
        """Return day and time."""
        moment = _local(at)
        dot = "." if self.language is Language.GERMAN else ""
        month = _MONTHS[self.language][moment.month - 1]
        return f"{moment.day:02d}{dot} {month} {moment.year}, {moment:%H:%M:%S}"

    def moment(self, at: float, now: float) -> str:
        """Return the time of day, with the day where it is not today's."""
        is_today = _local(at).date() == _local(now).date()
        return self.time(at) if is_today else self.date_time(at)

    def ago(self, at: float, now: float) -> str:
        """Return how long ago something was: `12 s ago`; what lies ahead by a clock's error is just now."""
        if now - at < 1:
            return "just now" if self.language is Language.ENGLISH else "gerade eben"
        text = self.duration(now - at, is_short=True)
        return f"{text} ago" if self.language is Language.ENGLISH else f"vor {text}"

    def duration(self, seconds: float, *, is_short: bool = False) -> str:
        """Return a span of time in at most two units: `2 h 5 min`; with `is_short`, in one."""
        whole = max(0, int(seconds))
        parts = [
            (whole // int(DAY), "d"),
            (whole // int(HOUR) % 24, "h"),
            (whole // int(MINUTE) % 60, "min"),
            (whole % 60, "s"),
        ]
        first = next((index for index, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
        shown = parts[first : first + (1 if is_short else 2)]
        return " ".join(f"{amount} {unit}" for n, (amount, unit) in enumerate(shown) if n == 0 or amount)


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()
