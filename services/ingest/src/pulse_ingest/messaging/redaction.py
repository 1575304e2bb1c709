"""API keys out of raw bytes, before a refused message is written down.

A payload that is JSON loses every field that is called like an API key, at any depth. One that is not JSON is cut off
where an API key could begin: better half a specimen than a secret in a table.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_RAW_BYTES: Final = 64 * 1024
"""Of a refused message, this much is kept."""
REDACTED: Final = "[redacted]"

_KEY_NAME: Final = re.compile(rb"api[\W_]{0,12}key", re.IGNORECASE)
_MAX_DEPTH: Final = 300


def redacted(payload: bytes) -> bytes:
    """Return the payload without API keys, at most `MAX_RAW_BYTES` of it. Bytes without any come back as they are."""
    squeezed = payload.replace(b"\x00", b"")  # UTF-16 would hide the name from the search
    if b"\\" not in payload and _KEY_NAME.search(squeezed) is None:
        return payload[:MAX_RAW_BYTES]
    try:
        document = json.loads(payload)
        clean = json.dumps(_without_keys(document, 0), separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError):
        found = _KEY_NAME.search(squeezed) or re.search(rb"\\u", squeezed)  # an escape could spell the name
        clean = payload if found is None else squeezed[: found.start()] + REDACTED.encode()
    return clean[:MAX_RAW_BYTES]


def _without_keys(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return REDACTED
    if isinstance(value, dict):
        return {
            name: REDACTED if _is_key_name(name) else _without_keys(inner, depth + 1) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_keys(inner, depth + 1) for inner in value]
    return value


def _is_key_name(name: str) -> bool:
    return "apikey" in re.sub(r"[\W_]", "", name).lower()
