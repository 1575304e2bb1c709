import pytest

from pulse_chassis import errors


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidError("x"), 422, "invalid"),
        (errors.UnauthorizedError("x"), 401, "unauthorized"),
        (errors.ForbiddenError("x"), 403, "forbidden"),
        (errors.NotFoundError("x", code="unknown_device"), 404, "unknown_device"),
        (errors.ConflictError("x"), 409, "conflict"),
        (errors.TooLargeError("x"), 413, "too_large"),
        (errors.RateLimitedError("x", retry_after=2), 429, "rate_limited"),
        (errors.UnavailableError("x"), 503, "unavailable"),
        (errors.PulseError("teapot", "x", 418, field="spout"), 418, "teapot"),
    ],
)
def test_every_error_has_its_status_and_code(error: errors.PulseError, status: int, code: str) -> None:
    assert (error.status, error.code, error.message, str(error)) == (status, code, "x", "x")
