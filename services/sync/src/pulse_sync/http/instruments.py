"""The Prometheus metrics of sync: what desktops were told, and how long that took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from pulse_chassis.metrics import LATENCY_BUCKETS
from pulse_sync.use_cases.ports import Desktop

Answer = Callable[[str, bytes], Awaitable[tuple[Desktop, dict[str, Any]] | None]]


class CountedAnswers:
    """Answers desktops as the one inside does, and counts."""

    def __init__(self, answer: Answer, registry: CollectorRegistry, monotonic: Callable[[], float]) -> None:
        self._answer = answer
        self._monotonic = monotonic
        self._answers = Counter(
            "sync_answers", "Messages of desktops, by what they were answered with", ["kind"], registry=registry
        )
        self._rows = Counter("sync_rows_sent", "Rows on pages", registry=registry)
        self._outcomes = Counter("sync_operations", "Operations, by how they ended", ["outcome"], registry=registry)
        self._seconds = Histogram(
            "sync_answer_seconds", "Time to work out an answer", buckets=LATENCY_BUCKETS, registry=registry
        )

    async def __call__(self, device_id: str, payload: bytes) -> tuple[Desktop, dict[str, Any]] | None:
        """Answer. Raises what the one inside raises."""
        begun = self._monotonic()
        said = await self._answer(device_id, payload)
        self._seconds.observe(self._monotonic() - begun)
        if said is None:
            self._answers.labels("nothing").inc()
            return None
        body = said[1]
        self._answers.labels(body["code"] if body["type"] == "refused" else body["type"]).inc()
        self._rows.inc(len(body.get("rows", ())))
        for outcome in body.get("outcomes", ()):
            self._outcomes.labels(outcome["outcome"]).inc()
        return said
