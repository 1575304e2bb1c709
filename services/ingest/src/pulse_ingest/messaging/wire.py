"""What goes out, as bytes: acks, welcomes, and the entries of the live stream. The contracts' shapes, encoded fast."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pulse_contracts.acks import Welcome
from pulse_contracts.streams import MAX_ENTRY_BYTES, LateSpan
from pulse_ingest.domain.acceptance import is_credible
from pulse_ingest.domain.reading import Metrics
from pulse_ingest.use_cases.ports import AckDraft, AnnouncedRows

MAX_ACK_RANGES: Final = 1000
"""Ranges and refusals in one ack: what is cut off is sent again, and answered then."""

_encode: Final = msgspec.json.Encoder().encode


def encode_ack(draft: AckDraft, server_time_ms: int) -> bytes:
    """Return the JSON of `pulse_contracts.acks.Ack`."""
    ack: dict[str, Any] = {
        "v": 1,
        "epoch": draft.epoch,
        "cum": draft.cum,
        "ok": draft.ok[:MAX_ACK_RANGES],
        "rej": draft.rej[:MAX_ACK_RANGES],
        "credit": {"rows_s": draft.rows_s, "window": draft.window},
        "server_time": server_time_ms,
    }
    if draft.unknown_epoch:
        ack["unknown_epoch"] = True
    return _encode(ack)


def encode_welcome(welcome: Welcome) -> bytes:
    """Return the JSON of a welcome."""
    return welcome.model_dump_json().encode()


def encode_announcement(rows: AnnouncedRows, at_ms: int) -> list[bytes]:
    """Return the entries of `pulse_contracts.streams.TelemetryAnnounced`, each of at most 64 KiB, in order."""
    wire = [
        (client_id, recorded // 1000, "good" if is_credible(recorded, received) else "suspect", metrics)
        for client_id, recorded, received, metrics in rows.live
    ]
    late = [_span(span) for span in rows.late]
    entries = _in_chunks("rows", wire, at_ms)
    if late and len(entries) == 1:
        together = _encode({"v": 1, "at": at_ms, "rows": wire, "late": late})
        if len(together) <= MAX_ENTRY_BYTES:
            return [together]
    return entries + _in_chunks("late", late, at_ms)


def _in_chunks(name: str, items: list[Any], at_ms: int) -> list[bytes]:
    if not items:
        return []
    # Guessed from the first one, because encoding all only to learn that it is too much costs as much again.
    length = len(items) * len(_encode(items[0]))
    if length <= MAX_ENTRY_BYTES:
        whole = _encode({"v": 1, "at": at_ms, name: items})
        length = len(whole)
        if length <= MAX_ENTRY_BYTES:
            return [whole]
    if len(items) == 1:
        return [entry for part in _halves(items[0]) for entry in _in_chunks(name, [part], at_ms)]
    # Even pieces, each a little below the bound if rows are about equally long; one that is not is cut again.
    pieces = min(len(items), length // (MAX_ENTRY_BYTES - 4096) + 1)
    size = -(-len(items) // pieces)
    return [entry for low in range(0, len(items), size) for entry in _in_chunks(name, items[low : low + size], at_ms)]


def _halves(row: tuple[str, int, str, Metrics]) -> list[tuple[str, int, str, Metrics]]:
    """Cut one enormous reading (64 long texts) in two: the same device and time, half of the metrics each."""
    client_id, at_ms, quality, metrics = row
    items = list(metrics.items())
    middle = len(items) // 2
    return [(client_id, at_ms, quality, dict(half)) for half in (items[:middle], items[middle:])]


def _span(span: LateSpan) -> dict[str, Any]:
    return {"device_id": span.device_id, "from_ms": span.from_ms, "to_ms": span.to_ms, "count": span.count}
