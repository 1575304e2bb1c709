"""The object forms of one reading: named (desktop), single metric, flat, and the app's. One function each.

Without `timestamp` the time of receipt is the reading's. Only the named form with an `epoch` enters the ledger; what
the others call `sequence_no` is kept with the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pulse_contracts.ids import MAX_SEQUENCE, is_client_id
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import FLAT_RESERVED
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import PlainReading, Run
from pulse_ingest.messaging.decoding.compact_run import MAX_EPOCH
from pulse_ingest.messaging.decoding.json_document import Document, depth_refusal
from pulse_ingest.messaging.decoding.values import (
    is_whole,
    metrics_refusal,
    parse_timestamp,
    sequence_refusal,
)

MAX_API_KEY: Final = 256
MAX_SOURCE: Final = 64
_DESKTOP_FIELDS: Final = frozenset({"client_id", "metrics", "timestamp", "sequence_no", "epoch", "source", "api_key"})
_VALUE_FIELDS: Final = ("value_numeric", "value_boolean", "value_text")
_SINGLE_FIELDS: Final = frozenset({"client_id", "metric_name", *_VALUE_FIELDS, "timestamp", "sequence_no", "api_key"})
_APP_FIELDS: Final = frozenset({"telemetry", "timestamp", "sequence_no", "device_id", "api_key"})

Decoder = Callable[[Document, int], "PlainReading | Run | Refusal"]


def decode_desktop(document: Document, received_us: int) -> PlainReading | Run | Refusal:
    """Decode `{"client_id","metrics":{…},"timestamp","sequence_no","epoch","source"}`."""
    metrics = document.get("metrics")
    wrong = (
        _id_refusal(document, "client_id", required=True)
        or metrics_refusal(metrics)
        or _text_refusal(document, "source", MAX_SOURCE)
        or depth_refusal(document, _DESKTOP_FIELDS)
    )
    if wrong is not None:
        return wrong
    reading = _finish(document, received_us, metrics, document["client_id"])
    epoch = document.get("epoch")
    if epoch is None or isinstance(reading, Refusal):
        return reading
    if not is_whole(epoch, 1, MAX_EPOCH) or not is_whole(reading.sequence_no, 1, MAX_SEQUENCE):
        return Refusal(RejectionCode.BAD_SEQUENCE, "an epoch of at least 1 needs a sequence_no of at least 1")
    parts = [(reading.sequence_no, [(reading.recorded_us, reading.metrics)])]
    return Run(epoch, parts, claimed_id=reading.claimed_id, api_key=reading.api_key)


def decode_single_metric(document: Document, received_us: int) -> PlainReading | Refusal:
    """Decode `{"client_id","metric_name","value_numeric"|"value_boolean"|"value_text"}`."""
    name = document.get("metric_name")
    wrong = (
        _id_refusal(document, "client_id", required=True)
        or (None if type(name) is str else Refusal(RejectionCode.BAD_METRIC_KEY, "metric_name is not a text"))
        or depth_refusal(document, _SINGLE_FIELDS)
    )
    if wrong is not None:
        return wrong
    given = [field for field in _VALUE_FIELDS if document.get(field) is not None]
    if len(given) != 1:
        return Refusal(RejectionCode.BAD_VALUE, "exactly one of value_numeric, value_boolean and value_text is needed")
    value = document[given[0]]
    metrics = {name: value}
    wrong = metrics_refusal(metrics)
    if wrong is not None:
        return wrong
    if not _FITS[given[0]](value):
        return Refusal(RejectionCode.BAD_VALUE, f"{given[0]} holds another kind of value")
    return _finish(document, received_us, metrics, document["client_id"])


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "value_numeric": lambda value: type(value) in {int, float},
    "value_boolean": lambda value: type(value) is bool,
    "value_text": lambda value: type(value) is str,
}


def decode_flat(document: Document, received_us: int) -> PlainReading | Refusal:
    """Decode `{"device_id","temperature":60,…}`: every field that is not reserved is a metric."""
    metrics = {name: value for name, value in document.items() if name not in FLAT_RESERVED}
    wrong = (
        _id_refusal(document, "device_id", required=True)
        or _id_refusal(document, "client_id", required=False)
        or metrics_refusal(metrics)
    )
    if wrong is not None:
        return wrong
    claimed = document["device_id"]
    if document.get("client_id") not in {None, claimed}:
        return Refusal(RejectionCode.WRONG_CLIENT, "client_id and device_id differ")
    return _finish(document, received_us, metrics, claimed)


def decode_app(document: Document, received_us: int) -> PlainReading | Refusal:
    """Decode `{"telemetry":{…},"timestamp"}`; over HTTP `device_id` says whose it is, on MQTT the topic does."""
    metrics = document.get("telemetry")
    wrong = (
        _id_refusal(document, "device_id", required=False)
        or metrics_refusal(metrics)
        or depth_refusal(document, _APP_FIELDS)
    )
    return wrong or _finish(document, received_us, metrics, document.get("device_id"))


def _finish(document: Document, received_us: int, metrics: Any, claimed_id: str | None) -> PlainReading | Refusal:
    """Read what all forms share: timestamp, sequence, API key."""
    sequence_no = document.get("sequence_no")
    wrong = sequence_refusal(sequence_no) or _text_refusal(document, "api_key", MAX_API_KEY)
    if wrong is not None:
        return wrong
    stamp = document.get("timestamp")
    recorded_us = received_us if stamp is None else parse_timestamp(stamp)
    if isinstance(recorded_us, Refusal):
        return recorded_us
    return PlainReading(sequence_no or 0, recorded_us, metrics, claimed_id, document.get("api_key"))


def _id_refusal(document: Document, field: str, *, required: bool) -> Refusal | None:
    value = document.get(field)
    if value is None and not required:
        return None
    if type(value) is str and is_client_id(value):
        return None
    return Refusal(RejectionCode.BAD_SHAPE, f"{field} is missing or not a client id")


def _text_refusal(document: Document, field: str, longest: int) -> Refusal | None:
    value = document.get(field)
    if value is None or (type(value) is str and len(value) <= longest):
        return None
    return Refusal(RejectionCode.BAD_SHAPE, f"{field} is not a text of at most {longest} characters")
