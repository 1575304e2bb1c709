"""What a device says, made storable: no NUL in a text, no number that JSON does not have, within a size."""

from __future__ import annotations

import json
import math
from typing import Any, Final

LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999, where the calendars of Python and PostgreSQL still agree."""
_REPLACEMENT: Final = "\ufffd"


def storable_text(text: str | None) -> str | None:
    """Return the text as PostgreSQL can keep it."""
    return None if text is None else text.replace("\x00", _REPLACEMENT).encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:
    """Return a JSON value as PostgreSQL can keep it; numbers that are none become null."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable_text(str(name)) or "": storable_json(item) for name, item in value.items()}
    return value


def json_bytes(value: Any) -> int:
    """Return how long a value is as compact JSON; raises ValueError when it cannot be written as JSON in UTF-8."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())
