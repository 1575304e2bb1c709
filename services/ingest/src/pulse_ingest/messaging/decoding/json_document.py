"""From bytes to a JSON object, exactly: no integer loses digits, and what is wrong gets its own code.

msgspec reads everything ordinary (measured here: 0.38 µs for a one-row run, orjson 0.45 µs, and orjson turns integers
beyond 64 bits into doubles without a word). What it refuses is read again by the standard library, only to find out
whether one value is bad (an infinity, half a surrogate pair), in which case good neighbours can still be kept.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import MAX_MESSAGE_BYTES
from pulse_ingest.domain.acceptance import Refusal

MAX_DEPTH: Final = 200
"""Nested arrays and objects; what a reading needs is 4."""

_decode = msgspec.json.Decoder().decode
Document = dict[str, Any]


def read_document(payload: bytes) -> Document | Refusal:
    """Return the JSON object in `payload`; a value in it may still be impossible (NaN, half a surrogate pair)."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return Refusal(RejectionCode.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_MESSAGE_BYTES} are taken")
    try:
        document = _decode(payload)
    except RecursionError:
        return _TOO_DEEP
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        document = _read_carefully(payload)
    if type(document) is dict:
        return document
    return document if isinstance(document, Refusal) else Refusal(RejectionCode.BAD_SHAPE, "not a JSON object")


def depth_refusal(document: Document, known: frozenset[str]) -> Refusal | None:
    """Refuse a document whose unknown fields are nested too deeply; known fields are checked by their own rules."""
    for name, value in document.items():
        if name not in known and isinstance(value, dict | list) and _is_too_deep(value):
            return _TOO_DEEP
    return None


_TOO_DEEP: Final = Refusal(RejectionCode.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")


def _is_too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _read_carefully(payload: bytes) -> Any:
    try:
        document = json.loads(payload.decode("utf-8"))
    except UnicodeDecodeError:
        return Refusal(RejectionCode.NOT_UTF8, "not UTF-8")
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return Refusal(RejectionCode.NOT_JSON, "not JSON")
    is_run = isinstance(document, dict) and "rows" in document  # its rows are judged one by one
    if not is_run and holds_unsound_text(document):
        return Refusal(RejectionCode.BAD_VALUE, "a text is not a text")
    return document


def is_text_sound(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def holds_unsound_text(value: Any) -> bool:
    """Tell whether half a surrogate pair is anywhere in a document."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return True
    return False
