"""From the text of a message to checked frames: whatever a client sends, the outcome is a frame or a refusal."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from pulse_contracts.frames import ClientFrame, ErrorCode
from pulse_gateway.domain.refusal import RefusedError

MAX_FRAMES_IN_ARRAY: Final = 64
TYPES: Final = frozenset({"auth", "auth_refresh", "subscribe", "tune", "unsubscribe", "ping"})


def parse_text(text: str) -> list[Any]:
    """Return the frames of one message, not yet checked. Raises RefusedError."""
    try:
        parsed = orjson.loads(text)
    except ValueError:
        raise RefusedError(ErrorCode.BAD_REQUEST, "not JSON") from None
    frames = parsed if isinstance(parsed, list) else [parsed]
    if not frames or len(frames) > MAX_FRAMES_IN_ARRAY:
        message = f"an array holds 1 to {MAX_FRAMES_IN_ARRAY} frames"
        raise RefusedError(ErrorCode.BAD_REQUEST, message)
    return frames


@dataclass(frozen=True, slots=True)
class ParsedFrame:
    """A frame as far as it can be read, whatever else is wrong with it, so that an error can be answered."""

    raw: Any
    type: str | None
    id: int | None
    sub: str | None

    @classmethod
    def of(cls, raw: Any) -> ParsedFrame:
        """Read what an answer needs."""
        if not isinstance(raw, dict):
            return cls(raw, None, None, None)
        kind, request_id, sub = raw.get("type"), raw.get("id"), raw.get("sub")
        has_id = isinstance(request_id, int) and not isinstance(request_id, bool) and 0 < request_id < 2**53
        return cls(
            raw,
            kind if isinstance(kind, str) else None,
            request_id if has_id else None,
            sub if isinstance(sub, str) and 0 < len(sub) <= 32 else None,
        )

    def validate(self, adapter: TypeAdapter[ClientFrame]) -> ClientFrame:
        """Return the checked frame. Raises RefusedError with the code that says what is wrong."""
        if not isinstance(self.raw, dict) or self.type is None:
            raise RefusedError(ErrorCode.BAD_REQUEST, "a frame is an object with a `type`")
        if self.type not in TYPES:
            raise RefusedError(ErrorCode.UNKNOWN_TYPE, "this server does not know this type")
        try:
            return adapter.validate_python(self.raw)
        except ValidationError as error:
            raise _refusal(error) from None


def looks_expired(token: str, now: float) -> bool:
    """Tell whether a refused token says of itself that it is over. Decides on a close code, never on access."""
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return isinstance(claims, dict) and isinstance(claims.get("exp"), int) and claims["exp"] <= now
    except (IndexError, ValueError, binascii.Error):
        return False


def _refusal(error: ValidationError) -> RefusedError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"][1:]) or "frame"
    # Values are not repeated: one of them may be a token.
    is_filter = "filter" in first["loc"]
    code = ErrorCode.INVALID_FILTER if is_filter else ErrorCode.BAD_REQUEST
    return RefusedError(code, f"{path[:80]}: {first['msg']}"[:300])
