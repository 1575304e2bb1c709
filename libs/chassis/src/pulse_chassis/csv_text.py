"""Comma-separated values that a spreadsheet opens as what they are: no text becomes a formula (OWASP, CSV injection)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
"""At the beginning of a file it tells a spreadsheet that the text is UTF-8."""
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_cell(value: object) -> object:
    """Return a value as a cell: nothing for None, ISO 8601 for a moment, an apostrophe before what looks like a formula.

    Numbers stay numbers; booleans are `true` and `false`, as JSON has them.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as text, a line each with CR LF (RFC 4180)."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([csv_cell(value) for value in row] for row in rows)
    return buffer.getvalue()
