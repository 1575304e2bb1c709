"""The form our agent sends: `{"v":1,"epoch":E,"first":N,"rows":[[us,{…}],…]}`, and the losses it declares.

The hottest code of the service. A run whose frame is right is taken even if some of its rows are not: those are refused
one by one under their own sequence, and their neighbours are kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from pulse_contracts.ids import MAX_SEQUENCE
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import INT64_MAX, INT64_MIN, MAX_METRICS, MAX_RUN_ROWS, MAX_TEXT
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import Loss, Losses, Part, RefusedRow, Row, Run
from pulse_ingest.messaging.decoding.json_document import Document, depth_refusal, holds_unsound_text
from pulse_ingest.messaging.decoding.values import (
    EARLIEST_US,
    LATEST_US,
    are_known_keys,
    clamped,
    is_whole,
    metrics_refusal,
)

MAX_EPOCH: Final = 2**31 - 1
MAX_REASON: Final = 32
_RUN_FIELDS: Final = frozenset({"v", "epoch", "first", "rows"})
_LOSS_FIELDS: Final = frozenset({"v", "epoch", "lost"})

_Value = bool | Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)] | float | Annotated[str, Meta(max_length=MAX_TEXT)]
_Metrics = Annotated[dict[str, _Value], Meta(min_length=1, max_length=MAX_METRICS)]
_Row = tuple[Annotated[int, Meta(ge=EARLIEST_US, le=LATEST_US)], _Metrics]
_NUL: Final = b"\\u0000"
"""The one way to write NUL in a JSON text."""


class _SoundRun(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    v: Literal[1]
    epoch: Annotated[int, Meta(ge=1, le=MAX_EPOCH)]
    first: Annotated[int, Meta(ge=1, le=MAX_SEQUENCE - MAX_RUN_ROWS)]
    rows: Annotated[list[_Row], Meta(min_length=1, max_length=MAX_RUN_ROWS)]


_read_sound_run: Final = msgspec.json.Decoder(_SoundRun).decode


def sound_run(payload: bytes) -> Run | None:
    """Return a run of which everything is right and every metric's name known: parsed and checked in one go, in C.

    None means nothing but that it has to be read rule by rule. Measured here, best of many: 0.22 µs a row in a run of 500
    instead of 0.33, and 1.3 µs for a run of one row instead of 1.4.
    """
    try:
        run = _read_sound_run(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for _, metrics in run.rows:
        if not are_known_keys(metrics):
            return None
    return None if _NUL in payload else Run(run.epoch, [(run.first, run.rows)])


def decode_run(document: Document) -> Run | Refusal:  # noqa: PLR0911 -- one return for each rule that is broken
    """Decode a buffer run."""
    epoch = document.get("epoch")
    first = document.get("first")
    rows = document.get("rows")
    if document.get("v") != 1:
        return Refusal(RejectionCode.BAD_SHAPE, "v is not 1")
    if not is_whole(epoch, 1, MAX_EPOCH):
        return Refusal(RejectionCode.BAD_SEQUENCE, f"epoch is not an integer from 1 to {MAX_EPOCH}")
    if type(rows) is not list or not rows:
        return Refusal(RejectionCode.BAD_SHAPE, "rows are not an array with at least one row")
    if len(rows) > MAX_RUN_ROWS:
        return Refusal(RejectionCode.TOO_LARGE, f"{len(rows)} rows, at most {MAX_RUN_ROWS} are taken")
    if not is_whole(first, 1, MAX_SEQUENCE) or first + len(rows) - 1 > MAX_SEQUENCE:  # type: ignore[operator] # an int here
        return Refusal(RejectionCode.BAD_SEQUENCE, f"the rows' sequences are not within 1 to {MAX_SEQUENCE}")
    if len(document) > len(_RUN_FIELDS):
        wrong = _unknown_fields_refusal(document, _RUN_FIELDS)
        if wrong is not None:
            return wrong
    return _decode_row_by_row(epoch, first, rows)  # type: ignore[arg-type] # ints, as was checked above


def _decode_row_by_row(epoch: int, first: int, rows: list[Any]) -> Run:
    parts: list[Part] = []
    refused: list[RefusedRow] = []
    good: list[Row] = []
    for number, row in enumerate(rows, first):
        refusal = _row_refusal(row)
        if refusal is None:
            if not good:
                parts.append((number, good))
            good.append((clamped(row[0]), row[1]))
        else:
            good = []
            refused.append(RefusedRow(number, refusal, _raw(row)))
    return Run(epoch, parts, refused or None)


def _row_refusal(row: Any) -> Refusal | None:
    if type(row) is not list or len(row) != 2:
        return Refusal(RejectionCode.BAD_SHAPE, "a row is not [recorded_at, metrics]")
    if not is_whole(row[0], INT64_MIN, INT64_MAX):
        return Refusal(RejectionCode.BAD_TIMESTAMP, "recorded_at is not an integer of 64 bits, in microseconds")
    return metrics_refusal(row[1])


def _raw(row: Any) -> bytes:
    try:
        return msgspec.json.encode(row)
    except (ValueError, RecursionError):  # half a surrogate pair, or a NaN that JSON cannot say
        return repr(row).encode("utf-8", "backslashreplace")


def decode_losses(document: Document) -> Losses | Refusal:
    """Decode a declaration of losses."""
    epoch = document.get("epoch")
    entries = document.get("lost")
    if document.get("v") != 1:
        return Refusal(RejectionCode.BAD_SHAPE, "v is not 1")
    if not is_whole(epoch, 1, MAX_EPOCH):
        return Refusal(RejectionCode.BAD_SEQUENCE, f"epoch is not an integer from 1 to {MAX_EPOCH}")
    if type(entries) is not list or not 1 <= len(entries) <= MAX_RUN_ROWS:
        return Refusal(RejectionCode.BAD_SHAPE, f"lost is not an array of 1 to {MAX_RUN_ROWS} ranges")
    lost: list[Loss] = []
    for entry in entries:
        if not _is_loss(entry):
            return Refusal(RejectionCode.BAD_SEQUENCE, "a lost range is not [first, last, reason]")
        lost.append((entry[0], entry[1], entry[2].replace("\x00", "")))
    wrong = _unknown_fields_refusal(document, _LOSS_FIELDS)
    return wrong or Losses(epoch, lost)  # type: ignore[arg-type] # an int, as was checked above


def _is_loss(entry: Any) -> bool:
    if type(entry) is not list or len(entry) != 3:
        return False
    low, high, reason = entry
    return (
        is_whole(low, 1, MAX_SEQUENCE)
        and is_whole(high, low, MAX_SEQUENCE)
        and type(reason) is str
        and 1 <= len(reason) <= MAX_REASON
        and not holds_unsound_text(reason)
    )


def _unknown_fields_refusal(document: Document, known: frozenset[str]) -> Refusal | None:
    wrong = depth_refusal(document, known)
    if wrong is None and holds_unsound_text({name: value for name, value in document.items() if name not in known}):
        wrong = Refusal(RejectionCode.BAD_VALUE, "a text is not a text")
    return wrong
