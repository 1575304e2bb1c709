"""The one error document of every HTTP answer: RFC 9457 problem details."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """One field that was wrong in a request."""

    model_config = ConfigDict(frozen=True)

    field: Annotated[str, Field(description="path of the field, dotted: `body.metrics.temperature`")]
    code: str
    message: str


class Problem(BaseModel):
    """What went wrong, for a program (`type`, `code`) and for a person (`title`, `detail`); never internals."""

    model_config = ConfigDict(frozen=True)

    type: Annotated[str, Field(description="`urn:precisionpulse:problem:<code>`, or `about:blank`")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
    instance: Annotated[str | None, Field(description="the request id, also in X-Request-ID")] = None
    field: str | None = None
    errors: list[FieldProblem] | None = None
    retry_after: Annotated[float | None, Field(description="seconds")] = None


def problem_type(code: str) -> str:
    """Return the URI that names a kind of problem."""
    return f"urn:precisionpulse:problem:{code}"
