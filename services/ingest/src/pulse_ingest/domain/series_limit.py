"""What happens to readings of a client that invents metrics without end: those with new names are refused."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from typing import Final

from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import Content, Part, PlainReading, RefusedRow, Row, Run

TOO_MANY: Final = Refusal(RejectionCode.TOO_MANY_METRICS, "the device has as many different metrics as it may have")


def refuse_new_metrics(content: Content, allowed: AbstractSet[str]) -> Content:
    """Return the content less its readings with a metric that is not in `allowed`."""
    if isinstance(content, PlainReading):
        return content if content.metrics.keys() <= allowed else TOO_MANY
    if isinstance(content, Run):
        return _judged_row_by_row(content, allowed)
    return content


def _judged_row_by_row(run: Run, allowed: AbstractSet[str]) -> Run:
    parts: list[Part] = []
    refused = list(run.refused or ())
    for first, rows in run.parts:
        good: list[Row] = []
        for sequence, row in enumerate(rows, first):
            if row[1].keys() <= allowed:
                if not good:
                    parts.append((sequence, good))
                good.append(row)
            else:
                good = []
                refused.append(RefusedRow(sequence, TOO_MANY, json.dumps(row).encode()))
    return Run(run.epoch, parts, refused, run.claimed_id, run.api_key)
