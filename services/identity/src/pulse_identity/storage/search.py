"""Searching by a part of a text, taken literally."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

_ESCAPE = "\\"


def contains(column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Return the condition that the column holds `part`, whatever the case; `%` and `_` in it mean themselves."""
    literal = part.replace(_ESCAPE, _ESCAPE * 2).replace("%", rf"{_ESCAPE}%").replace("_", rf"{_ESCAPE}_")
    return column.ilike(sa.literal(f"%{literal}%"), escape=_ESCAPE)
