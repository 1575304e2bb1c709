"""Notes what a desktop says of itself after a swap."""

from __future__ import annotations

from pulse_chassis.clock import Clock
from pulse_contracts.sync import Report
from pulse_sync.use_cases.ports import AppliedConfigs, DesktopBook, Standing, StateNews


class TakeReport:
    """Notes how far a desktop is."""

    def __init__(self, book: DesktopBook, configs: AppliedConfigs, news: StateNews, clock: Clock) -> None:
        self._book = book
        self._configs = configs
        self._news = news
        self._clock = clock

    async def __call__(self, device_id: str, standing: Standing, report: Report) -> None:
        """Note it. Raises UnavailableError."""
        now = self._clock.now()
        known = report.model_copy(update={"cursor": min(report.cursor, standing.head)})
        await self._book.note_report(device_id, known, now)
        if report.applied_config:
            await self._configs.note(device_id, report.applied_config, now)
        self._news.note_desktop(device_id)
