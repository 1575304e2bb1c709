"""What a person sees of a run: a line that moves on a terminal, a line every few seconds elsewhere, a table at the
end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pulse_simulator.figures import Figures, Summary
from pulse_simulator.fleet import Fleet, Phase
from pulse_simulator.plan import FleetPlan

_QUICK_S: Final = 0.25
_CALM_S: Final = 1.0
_LINE_S: Final = 5.0
_MANY: Final = 2_000
"""Clients above which summing up several times a second would itself be load."""
_WORDS: Final = {
    Phase.CONNECTING: "connecting",
    Phase.RUNNING: "running",
    Phase.OUTAGE: "OUTAGE, link cut",
    Phase.DRAINING: "draining",
    Phase.DONE: "done",
}


@dataclass(slots=True)
class _Rate:
    """Readings sent a second, over about the last second."""

    _at: float = field(default_factory=time.monotonic)
    _sent: int = 0
    value: float = 0.0

    def update(self, sent: int) -> float:
        now = time.monotonic()
        if now - self._at >= 1.0:
            self.value = (sent - self._sent) / (now - self._at)
            self._at, self._sent = now, sent
        return self.value


class RunDisplay:
    """Shows a fleet until cancelled. Everything goes to `console`, which is stderr: stdout is for the summary."""

    def __init__(self, fleet: Fleet, plan: FleetPlan, console: Console) -> None:
        self._fleet = fleet
        self._plan = plan
        self._console = console
        self._rate = _Rate()
        self._started = time.monotonic()

    async def show(self) -> None:
        """Refresh until cancelled."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(_LINE_S)
                self._console.print(self._line(self._total()))
        is_large = self._plan.devices + self._plan.agents > _MANY
        with Live(self._picture(), console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                await asyncio.sleep(_CALM_S if is_large else _QUICK_S)
                live.update(self._picture(), refresh=True)

    def _total(self) -> Figures:
        return Figures.sum(self._fleet.figures())

    def _picture(self) -> RenderableType:
        passed = time.monotonic() - self._started
        table = Table.grid(padding=(0, 1))
        table.add_row(
            Text(_WORDS[self._fleet.phase], style="bold red" if self._fleet.phase is Phase.OUTAGE else "bold"),
            ProgressBar(total=self._plan.duration.total_seconds(), completed=passed, width=24),
            Text(f"{passed:5.0f} s"),
            self._line(self._total()),
        )
        return table

    def _line(self, total: Figures) -> Text:
        rate = self._rate.update(total.sent)
        clients = self._plan.devices + self._plan.agents
        return Text(
            f"connected {total.connected:,}/{clients:,} · sent {total.sent:,} · acked {total.acked:,} · "
            f"outstanding {total.outstanding:,} · {rate:,.0f}/s"
        )


def summary_table(summary: Summary) -> Table:
    """Return the table at the end: one column for each kind of client, and the total."""
    table = Table(title=_title(summary), title_justify="left")
    table.add_column("readings")
    for name in ("ESP32-style", "agents", "total"):
        table.add_column(name, justify="right")
    columns = (summary.devices, summary.agents, summary.total)
    rows = (
        ("clients", "clients"),
        ("generated", "generated"),
        ("sent, with resends", "sent"),
        ("acked", "acked"),
        ("outstanding", "outstanding"),
        ("duplicates resent", "resent"),
        ("dropped without a link", "dropped"),
        ("sent without an answer", "unconfirmed"),
        ("rejected by the server", "rejected"),
        ("declared lost", "lost"),
        ("beats skipped", "skipped"),
        ("connections made", "connections"),
    )
    for title, name in rows:
        values = [getattr(column, name) for column in columns]
        if name in {"clients", "generated", "sent", "acked", "outstanding"} or any(values):
            table.add_row(title, *(f"{value:,}" for value in values))
    return table


def _title(summary: Summary) -> str:
    count = "1 outage" if summary.outages == 1 else f"{summary.outages} outages"
    outages = f"{count}, {summary.outage_seconds:g} s; " if summary.outages else ""
    if summary.drain_seconds is None:
        return f"{summary.seconds:.1f} s; {outages}NOT drained: {summary.total.outstanding:,} outstanding"
    return f"{summary.seconds:.1f} s; {outages}drained in {summary.drain_seconds:.1f} s"
