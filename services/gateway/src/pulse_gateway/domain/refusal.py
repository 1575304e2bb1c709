"""A request on the live socket that was refused, and a socket that the server ends: both with their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.frames import CloseCode, ErrorCode

_RETRYABLE: Final = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL})


class RefusedError(Exception):
    """One request was refused with an `error` frame; the socket goes on."""

    def __init__(self, code: ErrorCode, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code in _RETRYABLE


@dataclass(frozen=True, slots=True)
class Farewell:
    """Why the server ends a socket: the contents of `bye` and of the close frame."""

    code: CloseCode
    reason: str
    retry_after_ms: int | None = None


class ClosingError(Exception):
    """The server ends this socket."""

    def __init__(self, farewell: Farewell) -> None:
        super().__init__(farewell.reason)
        self.farewell = farewell
