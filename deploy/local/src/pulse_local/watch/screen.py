"""How the board looks: a table that says in words what it also says in colour, and a header about the link.

Pure: from a board, a link and a moment to something that Rich can print. Nothing depends on colour alone: freshness
has a sign and a word, a lost link a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pulse_contracts.streams import Quality
from pulse_contracts.telemetry import MetricValue
from pulse_local.watch.board import DeviceRow, Freshness, Sort, Value
from pulse_local.watch.live_types import Counters, LinkState, LinkStatus

_SIGNS: Final = {
    Freshness.FRESH: ("●", "green"),
    Freshness.AGEING: ("◐", "yellow"),
    Freshness.STALE: ("○", "bright_black"),
    Freshness.OFFLINE: ("✕", "red"),
    Freshness.SILENT: ("·", "bright_black"),
}
_MOST_COLUMNS: Final = 5
"""Up to so many metrics have a column each; more are written behind one another."""
_NARROW: Final = 100
_NARROW_LEFT: Final = 64
_WIDE_LEFT: Final = 94
"""What the columns before the values take at most, on a narrow and on a wide terminal."""
_TEXT_WIDTH: Final = 24
_SECOND: Final = 1000
_FRAME_LINES: Final = 5
"""Header, names of the columns, the count of what does not fit, keys, and the cursor's own line."""
_RESYNC_NOTE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class View:
    """Everything that one picture shows."""

    rows: Sequence[DeviceRow]
    metrics: Sequence[str]
    link: LinkStatus
    counters: Counters
    target: str
    rate: float
    """Rows a second."""
    monotonic: float
    sort: Sort = Sort.NAME
    is_paused: bool = False
    refusals: Sequence[str] = ()
    width: int = 120
    height: int | None = None


def picture(view: View) -> RenderableType:
    """Return header, table and the line of keys."""
    return Group(header(view), *_notes(view), table(view), _keys(view))


def header(view: View) -> Text:
    """Return the state of the link in words, and what came over it."""
    link = view.link
    if link.state is LinkState.LIVE:
        live_s = view.monotonic - link.since
        parts = [
            f"live · {view.target}",
            f"{len(view.rows):,} {'device' if len(view.rows) == 1 else 'devices'}",
            f"{view.rate:,.0f} values/s",
        ]
        if view.counters.connections > 1:
            resumed = f"reconnected {view.counters.connections - 1}×, resumed {view.counters.resumed}"
            parts.append(f"resynced: {resumed}" if live_s < _RESYNC_NOTE_S else resumed)
        if view.counters.gaps:
            parts.append(f"{view.counters.gaps:,} gaps")
        text = Text("● ", style="green")
        text.append(" · ".join(parts), style="bold")
        return text
    words = {
        LinkState.CONNECTING: "CONNECTING",
        LinkState.WAITING: "NO CONNECTION",
        LinkState.STOPPED: "STOPPED",
    }[link.state]
    text = Text(f"✕ {words}", style="bold white on red")
    if link.detail:
        text.append(f" · {link.detail}")
    if link.retry_at is not None:
        text.append(f" · next attempt in {max(0.0, link.retry_at - view.monotonic):.0f} s")
    if view.rows:
        text.append(" · what is below is no longer live")
    return text


def _notes(view: View) -> list[Text]:
    notes = [Text(f"! {refusal}", style="yellow") for refusal in view.refusals]
    if view.is_paused:
        notes.append(Text("PAUSED · space goes on", style="bold black on yellow"))
    return notes


def table(view: View) -> Table:
    """Return one row for each device, as many as fit."""
    is_narrow = view.width < _NARROW
    is_columned = len(view.metrics) <= _MOST_COLUMNS and not is_narrow
    made = Table(expand=False, header_style="bold", box=None, pad_edge=False)
    made.add_column("device", overflow="ellipsis", no_wrap=True, min_width=12, max_width=16 if is_narrow else 32)
    made.add_column("state", no_wrap=True, min_width=16)
    made.add_column("buffered", justify="right", no_wrap=True, min_width=8)
    made.add_column("completeness", no_wrap=True, min_width=12)
    if is_columned:
        for metric in view.metrics:
            made.add_column(metric, justify="right", no_wrap=True, overflow="ellipsis", min_width=8)
    else:
        # The one column that gives way: in a list it wraps, on a screen of given height it takes the lines that are left.
        made.add_column("values", no_wrap=view.height is not None, overflow="ellipsis")
    lines = None if view.height is None else max(1, view.height - _FRAME_LINES - len(_notes(view)))
    shown = view.rows if lines is None else view.rows[:lines]
    room = max(8, view.width - (_NARROW_LEFT if is_narrow else _WIDE_LEFT))
    is_live = view.link.state is LinkState.LIVE
    for row in shown:
        style = "" if is_live and row.freshness is Freshness.FRESH else "dim"
        values = Text(_joined(row) if lines is None else _packed(row, room, lines // len(shown)), style=style)
        columns = [Text(value_text(row.values.get(metric)), style=style) for metric in view.metrics]
        made.add_row(
            Text(row.name, style=style),
            state_text(row, is_live=is_live),
            Text("—" if row.buffered is None else f"{row.buffered:,}", style="yellow" if row.buffered else style),
            completeness_text(row.completeness, is_short=is_narrow),
            *(columns if is_columned else [values]),
        )
    hidden = len(view.rows) - len(shown)
    if hidden:
        made.add_row(Text(f"… {hidden:,} more; name some with --device", style="dim"))
    if not view.rows:
        made.add_row(Text("no devices yet", style="dim"))
    return made


def state_text(row: DeviceRow, *, is_live: bool = True) -> Text:
    """Return a device's freshness as a sign, a word and an age; nothing is fresh while the link is down."""
    freshness = Freshness.AGEING if row.freshness is Freshness.FRESH and not is_live else row.freshness
    sign, style = _SIGNS[freshness]
    match freshness:
        case Freshness.AGEING:
            words = f"{duration(row.age_ms)} ago"
        case Freshness.STALE:
            words = f"stale, {duration(row.age_ms)}"
        case Freshness.OFFLINE:
            words = "offline" if row.offline_ms is None else f"offline, {duration(row.offline_ms)}"
        case _:
            words = freshness.value
    if row.late_note:
        words += " (late data)"
    return Text(f"{sign} {words}", style=style)


def completeness_text(report: dict[str, int] | None, *, is_short: bool = False) -> Text:
    """Return what the server has of what the device counted; a plain device counts nothing."""
    if report is None:
        return Text("—", style="dim")
    missing, lost, received = report.get("missing", 0), report.get("lost", 0), report.get("received", 0)
    tail = f", {lost:,} lost" if lost else ""
    if missing:
        if is_short:
            return Text(f"{missing:,} missing", style="yellow")
        return Text(f"{missing:,} missing of {received + missing:,}{tail}", style="yellow")
    if is_short:
        return Text(f"{lost:,} lost" if lost else "complete", style="yellow" if lost else "green")
    return Text(f"complete, {received:,}{tail}", style="green" if not lost else "yellow")


def value_text(value: Value | None) -> str:
    """Return a value in few characters; `?` marks one whose time cannot be believed."""
    if value is None:
        return "—"
    return _plain(value.value) + ("?" if value.quality != Quality.GOOD else "")


def _plain(value: MetricValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if 0.01 <= abs(value) < 1e9 or value == 0 else f"{value:.3g}"
    printable = "".join(character if character.isprintable() else "·" for character in value)
    return printable if len(printable) <= _TEXT_WIDTH else printable[: _TEXT_WIDTH - 1] + "…"


def _joined(row: DeviceRow) -> str:
    return "  ".join(_named(row)) or "—"


def _named(row: DeviceRow) -> list[str]:
    return [f"{metric} {value_text(value)}" for metric, value in row.values.items()]


def _packed(row: DeviceRow, width: int, most_lines: int) -> str:
    """Fill lines of this width with whole values, as long as there are lines; an ellipsis stands for the rest."""
    lines = [""]
    for named in _named(row):
        if lines[-1] and len(lines[-1]) + 2 + len(named) > width:
            if len(lines) == most_lines:
                lines[-1] = lines[-1][: width - 2] + " …"
                break
            lines.append("")
        lines[-1] += ("  " if lines[-1] else "") + named
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines) or "—"


def _keys(view: View) -> Text:
    return Text(f"q quit · space pause · s sort: {view.sort.value}", style="dim")


def duration(milliseconds: int | None) -> str:
    """Return a duration in its largest whole unit: `12 s`, `4 min`, `3 h`, `2 d`."""
    if milliseconds is None:
        return "?"
    seconds = milliseconds // _SECOND
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
