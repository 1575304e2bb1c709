"""Every error of a service as one kind of document: RFC 9457 problem details, without internals.

Handlers for what can be raised on purpose, what FastAPI finds in a request and what the router answers. Values from the
request are never repeated: they may be secrets, or not encodable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from pulse_chassis.audit import note_refusal
from pulse_chassis.errors import PulseError
from pulse_chassis.logging import current_correlation_id, get_logger
from pulse_contracts.problem import PROBLEM_MEDIA_TYPE, FieldProblem, Problem, problem_type

MAX_FIELD_PROBLEMS: Final = 20
MAX_FIELD_CHARS: Final = 200
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 says; what Python's table says depends on its version."""
_CODES: Final = {401: "unauthorized", 413: "too_large"}
_REFUSALS: Final = frozenset({401, 403, 429})
"""What the audit log hears of: somebody wanted what is not theirs, or too much of it."""
_log = get_logger("http")


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return the response that carries a problem, with the headers that belong to its status."""
    extra = dict(headers or {})
    if problem.status == HTTPStatus.UNAUTHORIZED:
        extra.setdefault("WWW-Authenticate", "Bearer")
    if problem.retry_after is not None:
        extra.setdefault("Retry-After", str(math.ceil(problem.retry_after)))
    # Escaped to ASCII: a field name that came with a lone surrogate must not turn a 422 into a 500.
    body = json.dumps(problem.model_dump(mode="python", exclude_none=True)).encode()
    return Response(body, status_code=problem.status, media_type=PROBLEM_MEDIA_TYPE, headers=extra)


def make_problem(
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    errors: Sequence[FieldProblem] | None = None,
    retry_after: float | None = None,
) -> Problem:
    """Return a problem document for the request at hand (its id becomes `instance`)."""
    return Problem(
        type=problem_type(code),
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        instance=current_correlation_id(),
        field=field,
        errors=None if errors is None else list(errors),
        retry_after=retry_after,
    )


def internal_problem() -> Response:
    """Return the 500 that says nothing but the request id, under which the log says the rest."""
    return problem_response(make_problem(500, "internal", "something went wrong here; it has been logged"))


def install_problem_handlers(app: FastAPI) -> None:
    """Make the app answer every error with a problem document."""
    app.add_exception_handler(PulseError, _on_pulse_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_pulse_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PulseError)  # noqa: S101 -- registered for this type only
    if error.status in _REFUSALS:
        note_refusal(request, error.code)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("request_refused", code=error.code, status=error.status, cause=repr(error.__cause__))
    problem = make_problem(error.status, error.code, error.message, field=error.field, retry_after=error.retry_after)
    return problem_response(problem)


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for this type only
    found = [
        FieldProblem(field=_path(item["loc"]), code=str(item["type"]), message=str(item["msg"]))
        for item in error.errors()[:MAX_FIELD_PROBLEMS]
    ]
    problem = make_problem(422, "invalid_request", "the request does not have the form it must have", errors=found)
    return problem_response(problem)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for this type only
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    if error.status_code < HTTPStatus.BAD_REQUEST:
        return Response(status_code=error.status_code, headers=headers)
    problem = make_problem(error.status_code, _code(error.status_code), str(error.detail))
    return problem_response(problem, headers)


def _allowed_methods(request: Request) -> list[str]:
    """Collect the methods of all routes with this path; the router names only those of the first."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            methods |= route.methods or set()
    return sorted(methods)


def _path(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location)[:MAX_FIELD_CHARS]


def _title(status: int) -> str:
    try:
        return _TITLES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _code(status: int) -> str:
    return _CODES.get(status) or _title(status).lower().replace(" ", "_").replace("-", "_")
