"""What a device published on its status topic, read: a report, or why it is none. Never raises.

Whatever a report holds can be kept by the database: one message must not be able to stop the service.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from pulse_commands.domain.storable import LAST_MS, json_bytes, storable_json
from pulse_commands.use_cases.take_reports import Said, Unreadable
from pulse_contracts.commands import MAX_RESULT_BYTES, REPORT, CapabilityReport

MAX_REPORT_BYTES: Final = 32 * 1024
MAX_DECLARATION_BYTES: Final = 256 * 1024


def read_report(payload: bytes) -> Said:
    """Return what a message says."""
    if len(payload) > MAX_DECLARATION_BYTES:
        return Unreadable("too_large", f"{len(payload)} bytes, at most {MAX_DECLARATION_BYTES}")
    try:
        document = storable_json(from_json(payload))
        json_bytes(document)
    except (ValueError, RecursionError):
        return Unreadable("malformed", "is no JSON that can be kept")
    try:
        report = REPORT.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Unreadable("malformed", f"{where}: {first['msg']}"[:500])
    if not isinstance(report, CapabilityReport) and len(payload) > MAX_REPORT_BYTES:
        return Unreadable("too_large", f"{len(payload)} bytes, at most {MAX_REPORT_BYTES}")
    if report.at > LAST_MS:
        return Unreadable("malformed", "at: beyond the calendar")
    return _too_long(document) or report


def _too_long(document: dict[str, Any]) -> Unreadable | None:
    size = json_bytes(document.get("result"))
    if size <= MAX_RESULT_BYTES:
        return None
    return Unreadable("too_large", f"result: {size} bytes, at most {MAX_RESULT_BYTES}")
