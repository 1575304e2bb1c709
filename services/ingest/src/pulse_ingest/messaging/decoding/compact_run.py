"""The form our agent sends: `{"v":1,"epoch":E,"first":N,"rows":[[us,{…}],…]}`, and the losses it declares.

The hottest code of the service. A run whose frame is right is taken even if some of its rows are not: those are refused
one by one under their own sequence, and their neighbours are kept.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pulse_contracts.ids import MAX_SEQUENCE
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import INT64_MAX, INT64_MIN, MAX_RUN_ROWS
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import Loss, Losses, Part, RefusedRow, Row, Run
from pulse_ingest.messaging.decoding.json_document import Document, depth_refusal, holds_unsound_text
from pulse_ingest.messaging.decoding.values import EARLIEST_US, LATEST_US, clamped, is_whole, metrics_refusal

MAX_EPOCH: Final = 2**31 - 1
MAX_REASON: Final = 32
_RUN_FIELDS: Final = frozenset({"v", "epoch", "first", "rows"})
_LOSS_FIELDS: Final = frozenset({"v", "epoch", "lost"})


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
    for row in rows:
        if not _is_good(row):
            return _decode_partly(epoch, first, rows)  # type: ignore[arg-type] # ints, as was checked above
    return Run(epoch, [(first, rows)])  # type: ignore[arg-type,list-item] # likewise


def _is_good(row: Any) -> bool:
    # A row stays the two-element list that the parser made of it: it is read exactly like a tuple.
    if type(row) is not list or len(row) != 2:
        return False
    at = row[0]
    return type(at) is int and EARLIEST_US <= at <= LATEST_US and metrics_refusal(row[1]) is None


def _decode_partly(epoch: int, first: int, rows: list[Any]) -> Run:
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
    return Run(epoch, parts, refused)


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
