"""What waits on this disk, and how far catching up has come, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.local_status import Backlog, Drain
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone

_FULLNESS: Final = {"warning": Tone.WARN, "critical": Tone.BAD}


@dataclass(frozen=True, slots=True)
class DrainView:
    """`share` from 0 to 1; the others are words."""

    share: float
    percent: str
    left: str
    rate: str
    time_left: str

    @property
    def sentence(self) -> str:
        """All of it, for a screen reader."""
        return f"{self.percent}, {self.left}, {self.rate}, {self.time_left}"


@dataclass(frozen=True, slots=True)
class BacklogView:
    """`warning` says what threatens; `drain` None while nothing is caught up on."""

    count: str
    detail: str
    tone: Tone
    warning: str
    drain: DrainView | None


class BacklogWatch:
    """Turns each backlog into its view. Guarantees: within one drain the share never runs backwards."""

    def __init__(self) -> None:
        self._started_ms: int | None = None
        self._share = 0.0

    def view(self, backlog: Backlog, now: float, texts: Texts) -> BacklogView:
        """Work out what is shown at `now` (Unix seconds)."""
        drain = backlog.drain
        if drain is None or drain.started_ms != self._started_ms:
            self._share = 0.0
        self._started_ms = None if drain is None else drain.started_ms
        tone, warning = _warning(backlog, texts)
        return BacklogView(
            count=texts.format.number(backlog.readings),
            detail=_detail(backlog, now, texts),
            tone=tone,
            warning=warning,
            drain=None if drain is None else self._drain(drain, texts),
        )

    def _drain(self, drain: Drain, texts: Texts) -> DrainView:
        started_with = max(drain.started_with, drain.left, 1)
        self._share = max(self._share, 1 - drain.left / started_with)
        home, form = texts.home, texts.format
        rate = drain.rate_per_s
        return DrainView(
            share=self._share,
            percent=form.percent(self._share),
            left=home.drain_left.of(drain.left, form.number(drain.left)),
            rate=home.drain_rate_unknown if rate is None else home.drain_rate.format(rate=form.number(rate)),
            time_left=home.drain_time_unknown
            if drain.seconds_left is None
            else home.drain_time.format(span=form.duration(max(1.0, drain.seconds_left))),
        )


def _warning(backlog: Backlog, texts: Texts) -> tuple[Tone, str]:
    home = texts.home
    if backlog.is_disk_low:
        return Tone.BAD, home.disk_low
    tone = _FULLNESS.get(backlog.fullness)
    if tone is None:
        return Tone.MUTE, ""
    return tone, home.fullness_critical if tone is Tone.BAD else home.fullness_warning


def _detail(backlog: Backlog, now: float, texts: Texts) -> str:
    if not backlog.readings:
        return texts.home.buffered_none
    form = texts.format
    text = texts.home.buffered_of.format(used=form.bytes(backlog.bytes), room=form.bytes(backlog.max_bytes))
    if backlog.oldest_ms is not None:
        text += ", " + texts.home.oldest.format(time=form.moment(backlog.oldest_ms / 1000, now))
    return text
