"""Hellos and heartbeats from bytes. They are few, so the contracts' own models read them."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter, ValidationError

from pulse_contracts.presence import Heartbeat, Hello
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import MAX_MESSAGE_BYTES
from pulse_ingest.domain.acceptance import Refusal

_EITHER: Final[TypeAdapter[Hello | Heartbeat]] = TypeAdapter(Hello | Heartbeat)


def read_presence(payload: bytes) -> Hello | Heartbeat | Refusal:
    """Return what a client says of itself, or why that cannot be read. Values are never repeated."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return Refusal(RejectionCode.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_MESSAGE_BYTES} are taken")
    try:
        return _EITHER.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            return Refusal(RejectionCode.NOT_JSON, "not JSON")
        where = ".".join(str(step) for step in first["loc"] if step not in {"Hello", "Heartbeat"})[:64]
        return Refusal(RejectionCode.BAD_SHAPE, f"neither a hello nor a heartbeat: {where or 'the object'}")
