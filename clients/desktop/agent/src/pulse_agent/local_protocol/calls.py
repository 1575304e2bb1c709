"""One call of a window, from its parameters to its answer: what is known, who may, and errors as codes and words.

Guarantees: nothing is done before the parameters are right and the caller's rights, as they are now, were found to be
enough; what a method raises becomes an answer and never ends the connection; no parameter gets into a log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from pulse_agent.commands.built_in import SyncFailedError
from pulse_agent.configuration.device import NotEnrolledError
from pulse_agent.local_access.session import LocalSession, LoginRefusedError
from pulse_agent.outbox.inspection import OutboxUnreadableError
from pulse_agent.replica.live import ReplicaAwayError
from pulse_agent.replica.refusals import EditRefusedError
from pulse_chassis.logging import get_logger
from pulse_contracts.local_protocol import METHODS, Access, ErrorBody, ErrorCode, EventName, Request
from pulse_contracts.local_status import Mode

_FIELD_OF: Final = {
    "bad_username": "username", "username_taken": "username", "bad_email": "email", "email_taken": "email",
    "bad_name": "name", "name_taken": "name", "password_too_short": "password", "password_too_long": "password",
    "password_is_username": "password", "unknown_permission": "permissions", "unknown_key": "key",
    "bad_value": "value", "set_locally": "key",
}  # fmt: skip
"""Which parameter a refused edit is about, where it is one."""

_log = get_logger("windows")


class CallRefusedError(Exception):
    """A call that is not carried out."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Caller(Protocol):
    """The window that calls."""

    session: LocalSession | None
    signed_in_ms: int
    follows_log_after: int | None

    def post(self, name: EventName, data: BaseModel | dict[str, Any]) -> None:
        """Tell the window of something."""
        ...

    def end_session(self, reason: LoginRefusedError) -> None:
        """Whoever was signed in is not any more, and the window is told."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be carried out. `actor` is who signed in, with the rights of now; None where nobody has to."""

    id: int
    window: Caller
    actor: LocalSession | None = None

    @property
    def session(self) -> LocalSession:
        """Who calls. Raises CallRefusedError."""
        if self.actor is None:
            raise CallRefusedError(ErrorCode.NOT_SIGNED_IN, "sign in first")
        return self.actor


Handler = Callable[[Call, Any], Awaitable[BaseModel]]


class Host(Protocol):
    """What windows talk to: a running agent, or one that waits to be enrolled."""

    @property
    def mode(self) -> Mode:
        """Which of the two."""
        ...

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The methods there are."""
        ...

    async def current(self, session: LocalSession) -> LocalSession:
        """Return what somebody who signed in may do now. Raises LoginRefusedError."""
        ...


async def answer(host: Host, caller: Caller, request: Request) -> dict[str, Any] | ErrorBody:
    """Carry a call out; return its result, or why there is none."""
    try:
        spec = METHODS.get(request.method)
        handler = host.handlers.get(request.method)
        if spec is None or handler is None:
            raise _unknown(host, request.method)
        params = spec.params.model_validate(request.params)
        actor = None
        if spec.access is not Access.ANYBODY:
            actor = await _actor(host, caller)
            if spec.permission is not None and not actor.can(spec.permission):
                message = f"this needs the permission {spec.permission.value}"
                return ErrorBody(code=ErrorCode.PERMISSION_MISSING, message=message)
        result = await handler(Call(request.id, caller, actor), params)
        return result.model_dump(mode="json")
    except ValidationError as error:
        return _bad_params(error)
    except Exception as error:  # noqa: BLE001 # a message boundary: whatever it is, the window gets an answer
        return error_body(error, request.method)


def error_body(error: Exception, method: str) -> ErrorBody:
    """Return an error as windows are told it."""
    match error:
        case CallRefusedError():
            return ErrorBody(code=error.code, message=str(error), field=error.field)
        case LoginRefusedError():
            return ErrorBody(code=error.reason, message=str(error), retry_after=error.retry_after)
        case EditRefusedError():
            return ErrorBody(code=error.code, message=str(error), field=_FIELD_OF.get(error.code))
        case SyncFailedError():
            return ErrorBody(code=error.code, message=str(error))
        case ReplicaAwayError() | OutboxUnreadableError() | NotEnrolledError() | sqlite3.Error() | OSError():
            return ErrorBody(code=ErrorCode.UNAVAILABLE, message=str(error) or type(error).__name__)
        case _:
            _log.error("window_call_failed", method=method, exc_info=error)
            return ErrorBody(code=ErrorCode.INTERNAL, message="the agent made a mistake: its log says which")


async def _actor(host: Host, caller: Caller) -> LocalSession:
    session = caller.session
    if session is None:
        raise CallRefusedError(ErrorCode.NOT_SIGNED_IN, "sign in first")
    try:
        return await host.current(session)
    except LoginRefusedError as refused:
        if caller.session is session:
            caller.end_session(refused)
        raise CallRefusedError(ErrorCode.NOT_SIGNED_IN, str(refused)) from refused


def _unknown(host: Host, method: str) -> CallRefusedError:
    spec = METHODS.get(method)
    if spec is None or host.mode in spec.modes:
        return CallRefusedError(ErrorCode.UNKNOWN_METHOD, f"this agent has no method {method}")
    if host.mode is Mode.ENROLLED:
        return CallRefusedError(ErrorCode.ALREADY_ENROLLED, "this machine is enrolled already")
    return CallRefusedError(ErrorCode.NOT_ENROLLED, "this machine is not enrolled yet")


def _bad_params(error: ValidationError) -> ErrorBody:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return ErrorBody(code=ErrorCode.BAD_PARAMS, message=f"{field}: {first['msg']}", field=field or None)
