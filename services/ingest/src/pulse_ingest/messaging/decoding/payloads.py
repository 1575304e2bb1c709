"""Which decoder reads a payload: by topic on MQTT, by shape over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import MAX_HTTP_READINGS, MAX_MESSAGE_BYTES
from pulse_contracts.topics import UplinkKind
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import Content
from pulse_ingest.messaging.decoding.compact_run import decode_losses, decode_run, sound_run
from pulse_ingest.messaging.decoding.json_document import Document, holds_unsound_text, read_document
from pulse_ingest.messaging.decoding.object_forms import (
    Decoder,
    decode_app,
    decode_desktop,
    decode_flat,
    decode_single_metric,
)

_BY_TOPIC: Final[Mapping[str, Decoder]] = {
    UplinkKind.DEVICE_DATA.value: decode_flat,
    UplinkKind.APP_TELEMETRY.value: decode_app,
}
_ROWS: Final = b'"rows"'


def decode_payload(form: str, payload: bytes, received_us: int) -> Content:
    """Decode what came on a topic of this kind (`UplinkKind`'s value)."""
    by_topic = _BY_TOPIC.get(form)
    if by_topic is None and _ROWS in payload and len(payload) <= MAX_MESSAGE_BYTES:
        run = sound_run(payload)
        if run is not None:
            return run
    document = read_document(payload)
    if type(document) is not dict:
        return document  # type: ignore[return-value] # a Refusal, as the line above leaves nothing else
    return _decode_by_fields(document, received_us) if by_topic is None else by_topic(document, received_us)


def _decode_by_fields(document: Document, received_us: int) -> Content:
    if "rows" in document:
        return decode_run(document)
    if "lost" in document:
        return decode_losses(document)
    by_shape = decode_desktop if "metrics" in document else decode_single_metric if "metric_name" in document else None
    if by_shape is not None:
        return by_shape(document, received_us)
    return Refusal(RejectionCode.BAD_SHAPE, "none of rows, lost, metrics and metric_name is there")


def decode_body(body: bytes, received_us: int) -> list[tuple[bytes, Content]] | Refusal:
    """Decode an HTTP body: one object, or an array of up to 1,000. Each comes with its own JSON."""
    try:
        items = msgspec.json.decode(body)
    except UnicodeDecodeError:
        return Refusal(RejectionCode.NOT_UTF8, "not UTF-8")
    except RecursionError:
        return Refusal(RejectionCode.TOO_DEEP, "nested too deeply")
    except (msgspec.DecodeError, ValueError):
        # Not JSON as a whole, or JSON with one impossible value; an array is not worth taking apart for the latter.
        single = read_document(body)
        if isinstance(single, Refusal):
            return single
        items = single
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list) or not items:
        return Refusal(RejectionCode.BAD_SHAPE, "neither a reading nor an array of readings")
    if len(items) > MAX_HTTP_READINGS:
        return Refusal(RejectionCode.TOO_LARGE, f"{len(items)} readings, at most {MAX_HTTP_READINGS} are taken")
    # Times of receipt differ by a microsecond, so that readings without time and sequence stay apart.
    return [(_raw(item), _decode_object(item, received_us + place)) for place, item in enumerate(items)]


def _decode_object(item: Any, received_us: int) -> Content:
    if not isinstance(item, dict):
        return Refusal(RejectionCode.BAD_SHAPE, "not a JSON object")
    return _decoder_by_shape(item)(item, received_us)


def _decoder_by_shape(document: Document) -> Decoder:
    if isinstance(document.get("metrics"), dict):
        return decode_desktop
    if "metric_name" in document:
        return decode_single_metric
    if isinstance(document.get("telemetry"), dict):
        return decode_app
    return decode_flat


def _raw(item: Any) -> bytes:
    if holds_unsound_text(item):
        return repr(item).encode("utf-8", "backslashreplace")
    return msgspec.json.encode(item)
