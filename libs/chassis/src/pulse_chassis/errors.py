"""The one family of errors that a caller is meant to see.

A `PulseError` carries a code for programs, a sentence for people and an HTTP status; `pulse_chassis.http` turns it
into a problem document. It never carries internals: whatever is in `message` is shown to whoever asked.
Anything that is not a `PulseError` is a bug or a broken dependency and becomes a 500 without details.
"""

from __future__ import annotations

from typing import ClassVar


class PulseError(Exception):
    """An error with a meaning outside: `code` (stable, snake_case), `message` (for people), `status` (HTTP)."""

    def __init__(
        self, code: str, message: str, status: int, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.field = field
        self.retry_after = retry_after
        """Seconds after which it is worth trying again; None where trying again is pointless or up to the caller."""


class _NamedError(PulseError):
    """A `PulseError` whose status is given by its class: `NotFoundError("no such device", code="unknown_device")`."""

    default_status: ClassVar[int]
    default_code: ClassVar[str]

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code or self.default_code, message, self.default_status, field=field, retry_after=retry_after)


class InvalidError(_NamedError):
    """422: well-formed, but not acceptable."""

    default_status = 422
    default_code = "invalid"


class UnauthorizedError(_NamedError):
    """401: nobody in particular, or no longer."""

    default_status = 401
    default_code = "unauthorized"


class ForbiddenError(_NamedError):
    """403: somebody, but not allowed."""

    default_status = 403
    default_code = "forbidden"


class NotFoundError(_NamedError):
    """404: not there, or not for these eyes."""

    default_status = 404
    default_code = "not_found"


class ConflictError(_NamedError):
    """409: contradicts what is there."""

    default_status = 409
    default_code = "conflict"


class PreconditionFailedError(_NamedError):
    """412: the thing is not any more what the caller has seen."""

    default_status = 412
    default_code = "precondition_failed"


class PreconditionRequiredError(_NamedError):
    """428: say first which version is meant."""

    default_status = 428
    default_code = "precondition_required"


class TooLargeError(_NamedError):
    """413: more than is taken at once."""

    default_status = 413
    default_code = "too_large"


class RateLimitedError(_NamedError):
    """429: too often; `retry_after` says when again."""

    default_status = 429
    default_code = "rate_limited"


class UnavailableError(_NamedError):
    """503: something we depend on is not there now; trying again later is right."""

    default_status = 503
    default_code = "unavailable"
