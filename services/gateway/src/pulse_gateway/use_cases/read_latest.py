"""Give the latest values that somebody may see, a page of devices at a time, from the state in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass

from pulse_contracts.frames import TelemetryRow
from pulse_gateway.domain.scope import Scope
from pulse_gateway.use_cases.live_state import LiveState


@dataclass(frozen=True, slots=True)
class LatestRows:
    """The rows of a page; `last_device` is where the next page goes on, if there is one."""

    rows: list[TelemetryRow]
    last_device: str | None


def read_latest(
    state: LiveState,
    scope: Scope,
    *,
    device_ids: Collection[str] | None,
    metrics: Collection[str] | None,
    after: str | None,
    limit: int,
) -> LatestRows:
    """Return rows by device, in order of their ids. What is not visible is the same as absent."""
    visible = scope.visible
    wanted = set(state.latest.device_ids()) if visible is None else visible & set(state.latest.device_ids())
    if device_ids is not None:
        wanted = wanted & set(device_ids)
    ordered = sorted(wanted)
    start = 0 if after is None else bisect_right(ordered, after)
    page = ordered[start : start + limit]
    rows = [
        row
        for device_id in page
        for row in sorted(state.latest.rows_of(device_id))
        if metrics is None or row[1] in metrics
    ]
    return LatestRows(rows, page[-1] if len(ordered) > start + limit else None)
