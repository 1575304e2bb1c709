"""What a message says to people: a subject of one line, a plain text, and the same as simple HTML.

Whatever came from a device, a rule or a person is text here: never a header, a line of its own or markup.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from pulse_alerts.domain.notice import Digest, Notice
from pulse_alerts.domain.quiet_hours import zone

MAX_SUBJECT_CHARS: Final = 160
MAX_LINE_CHARS: Final = 500
_COLOURS: Final = {"critical": "#b3261e", "warning": "#8a5a00", "info": "#1f5fa8"}
_CLEARED_COLOUR: Final = "#2e6b34"


@dataclass(frozen=True, slots=True)
class Words:
    """A message for people."""

    subject: str
    text: str
    html: str


def one_line(text: str, longest: int = MAX_LINE_CHARS) -> str:
    """Return the text without line breaks, control and formatting characters, and no longer than this."""
    plain = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else char for char in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def worded(digest: Digest, time_zone: str, link: str | None = None) -> Words:
    """Return what a message says; `link` leads to the list of alarms."""
    entries = [_entry(notice, time_zone) for notice in digest.notices]
    more = _more(digest)
    text = "\n\n".join("\n".join(lines) for lines in entries)
    html = "".join(_html_entry(notice, lines) for notice, lines in zip(digest.notices, entries, strict=True))
    if more:
        text += f"\n\n{more}"
        html += f"<p>{escape(more)}</p>"
    if link is not None:
        text += f"\n\n{link}"
        html += f'<p><a href="{escape(link, quote=True)}">{escape(link)}</a></p>'
    return Words(subject(digest), text + "\n", _page(html))


def trial_words(channel_name: str, by: str) -> Words:
    """Return the message that a person sends to try a channel."""
    text = f"This is a test of the channel {one_line(channel_name)}, sent by {one_line(by)}. No alarm is behind it."
    return Words("[test] PrecisionPulse", text + "\n", _page(f"<p>{escape(text)}</p>"))


def subject(digest: Digest) -> str:
    """Return the subject: the worst severity, and what happened where."""
    if digest.total == 1 and digest.notices:
        only = digest.notices[0]
        label: str = only.severity if only.kind == "raised" else "cleared"
        return one_line(f"[{label}] {only.device_id}: {only.rule_name}", MAX_SUBJECT_CHARS)
    counted = [
        f"{number} {what}" for number, what in ((digest.raised, "raised"), (digest.cleared, "cleared")) if number
    ]
    head = digest.worst if digest.raised else "cleared"
    where = digest.notices[0].device_id if digest.devices == 1 and digest.notices else f"{digest.devices} devices"
    return one_line(f"[{head}] {where}: alarms {', '.join(counted)}", MAX_SUBJECT_CHARS)


def _entry(notice: Notice, time_zone: str) -> list[str]:
    lines = [
        f"{notice.severity.upper()} {notice.kind}  {_moment(notice.at, time_zone)}",
        one_line(notice.message),
        f"Device: {one_line(notice.device_id)}",
        f"Rule: {one_line(notice.rule_name)}",
    ]
    if notice.metric is not None:
        value = "" if notice.value is None else f" = {one_line(_shown(notice.value))}"
        lines.append(f"Metric: {one_line(notice.metric)}{value}")
    if notice.kind == "cleared":
        lines.append(f"Raised: {_moment(notice.raised_at, time_zone)}")
        if notice.reason:
            lines.append(f"Cleared by: {one_line(notice.reason)}")
    return lines


def _html_entry(notice: Notice, lines: Sequence[str]) -> str:
    colour = _CLEARED_COLOUR if notice.kind == "cleared" else _COLOURS[notice.severity]
    head, *rest = (escape(line) for line in lines)
    return f'<p style="border-left:4px solid {colour};padding-left:8px"><b>{head}</b><br>' + "<br>".join(rest) + "</p>"


def _more(digest: Digest) -> str:
    if not digest.more:
        return ""
    spelt = Counter(notice.kind for notice in digest.notices)
    left = {"raised": digest.raised - spelt["raised"], "cleared": digest.cleared - spelt["cleared"]}
    counted = ", ".join(f"{number} {kind}" for kind, number in left.items() if number)
    return f"and {digest.more} more ({counted}): see the list of alarms."


def _moment(at: datetime, time_zone: str) -> str:
    return at.astimezone(zone(time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def _shown(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _page(body: str) -> str:
    return f'<!doctype html><html><body style="font-family:sans-serif;font-size:14px">{body}</body></html>'
