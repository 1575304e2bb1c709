"""Stretches of history that changed behind the live edge, merged by device until they are told."""

from __future__ import annotations

from collections.abc import Container, Iterator

import orjson

from pulse_contracts.frames import GapReason
from pulse_contracts.streams import LateSpan

MAX_SINGLE_GAPS = 20
"""Above this many devices at once one gap names them all: a drain of a whole fleet must not be a flood of frames."""
MAX_NAMED_DEVICES = 200


class LateSpans:
    """One span for each device."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: dict[str, tuple[int, int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._spans)

    def add(self, span: LateSpan) -> None:
        """Merge a span into its device's."""
        self._merge(span.device_id, span.from_ms, span.to_ms, span.count)

    def absorb(self, other: LateSpans) -> None:
        """Merge all spans of another set."""
        for device_id, (low, high, count) in other._spans.items():
            self._merge(device_id, low, high, count)

    def drop(self, device_ids: Container[str]) -> None:
        """Forget devices that may not be told of any more."""
        self._spans = {name: span for name, span in self._spans.items() if name not in device_ids}

    def pop_body(self) -> str:
        """Give the body of one gap frame and forget its span."""
        bodies = list(self.bodies())
        if len(self._spans) <= MAX_SINGLE_GAPS:
            self._spans.pop(next(iter(self._spans)))
        else:
            for name in list(self._spans)[:MAX_NAMED_DEVICES]:
                del self._spans[name]
        return bodies[0]

    def clear(self) -> None:
        """Forget all spans: they have been told."""
        self._spans = {}

    def bodies(self) -> Iterator[str]:
        """Give the bodies of the gap frames to send."""
        spans = self._spans
        if len(spans) <= MAX_SINGLE_GAPS:
            for device_id, (low, high, count) in spans.items():
                yield gap_body(GapReason.LATE, low, high, [device_id], count)
            return
        names = list(spans)
        for start in range(0, len(names), MAX_NAMED_DEVICES):
            some = names[start : start + MAX_NAMED_DEVICES]
            yield gap_body(
                GapReason.LATE,
                min(spans[name][0] for name in some),
                max(spans[name][1] for name in some),
                some,
                sum(spans[name][2] for name in some),
            )

    def _merge(self, device_id: str, low: int, high: int, count: int) -> None:
        known = self._spans.get(device_id)
        if known is not None:
            low, high, count = min(low, known[0]), max(high, known[1]), count + known[2]
        self._spans[device_id] = (low, high, count)


def gap_body(
    reason: GapReason, from_ts: int, to_ts: int, device_ids: list[str] | None = None, count: int | None = None
) -> str:
    """Return a gap frame without its head (`{"type":"gap","sub":…,`)."""
    fields: dict[str, object] = {"reason": reason.value, "from_ts": from_ts, "to_ts": to_ts}
    if device_ids is not None:
        fields["device_ids"] = device_ids
    if count is not None:
        fields["count"] = count
    return orjson.dumps(fields).decode()[1:]
