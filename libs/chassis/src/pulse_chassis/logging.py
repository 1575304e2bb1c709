"""Logs: one JSON object a line on stderr, an event name first, a correlation id throughout, never a secret.

Our own code logs with `get_logger()`; what libraries say through the standard `logging` takes the same way.
Fields with a telling name (password, token, …) are replaced, and so are credentials inside of any text, tracebacks
included. stdout stays free for what a command prints.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, Literal, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

LogFormat = Literal["json", "console"]
Tap = Callable[[Mapping[str, Any]], None]
"""Is shown every line that is written, secrets replaced, in the thread that wrote it."""

REDACTED: Final = "[redacted]"
SECRET_NAMES: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "private_key",
    "credential",
)
"""A field whose name contains one of these, in any case, is never written."""
_HARMLESS_NAMES: Final = frozenset({"token_expires_in", "token_expires_at", "has_password", "has_token"})
_SECRET_TEXTS: Final = (
    (re.compile(r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"]+(?=@)"), REDACTED),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){1,3}"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (
        re.compile(r"(?i)((?:password|passwd|secret|token|api_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}\]]+"),
        rf"\1{REDACTED}",
    ),
)
_MAX_DEPTH: Final = 6


def get_logger(name: str | None = None) -> FilteringBoundLogger:
    """Return a logger; `name` (a module or part) becomes the field `part`."""
    if name is None:
        return cast("FilteringBoundLogger", structlog.get_logger())
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))


def bind_correlation_id(correlation_id: str | None = None) -> str:
    """Put a correlation id (a new one if none is given) on every line of this task and its children; return it."""
    bound = correlation_id or uuid.uuid4().hex
    structlog.contextvars.bind_contextvars(correlation_id=bound)
    return bound


def current_correlation_id() -> str | None:
    """Return the correlation id of this task, if one is bound."""
    value = structlog.contextvars.get_contextvars().get("correlation_id")
    return value if isinstance(value, str) else None


def is_debugging() -> bool:
    """Return whether lines of level DEBUG are written: what costs more than a line to prepare asks first."""
    return _Level.is_debug


class _Level:
    is_debug = False


def is_configured() -> bool:
    """Return whether somebody has already said how to log."""
    return structlog.is_configured()


def configure_logging(
    service: str,
    level: str = "INFO",
    format: LogFormat = "json",  # noqa: A002 -- the brief's name
    tap: Tap | None = None,
) -> None:
    """Send all logs of the process to stderr, and by `tap`. Calling it again replaces the earlier choice."""
    numeric = logging.getLevelNamesMapping().get(level.upper())
    if numeric is None:
        message = f"unknown log level {level!r}"
        raise ValueError(message)
    _Level.is_debug = numeric <= logging.DEBUG
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _service_adder(service),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[Processor] = [structlog.processors.format_exc_info, redact]
    if tap is not None:
        final.append(_tapped(tap))
    if format == "json":
        final += [_event_first, structlog.processors.JSONRenderer(default=str)]
    else:
        final.append(
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        )
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(shared, final, numeric)


def redact(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secrets by name and credentials by shape (a structlog processor)."""
    for key, value in event_dict.items():
        event_dict[key] = REDACTED if _is_secret_name(key) else _clean(value, 0)
    return event_dict


def redact_text(text: str) -> str:
    """Return the text without what looks like a credential: user info in URLs, tokens, `password=…`."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a copy whose secrets are replaced, by name and by shape, at every depth: as for a log line."""
    return {key: REDACTED if _is_secret_name(key) else _clean(value, 0) for key, value in fields.items()}


def _is_secret_name(key: str) -> bool:
    lowered = key.lower()
    return lowered not in _HARMLESS_NAMES and any(name in lowered for name in SECRET_NAMES)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _MAX_DEPTH:
        return REDACTED
    if isinstance(value, dict):
        return {
            key: REDACTED if isinstance(key, str) and _is_secret_name(key) else _clean(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth + 1) for item in value]
    return redact_text(str(value))


def _tapped(tap: Tap) -> Processor:
    def show(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        tap(event_dict)
        return event_dict

    return show


def _event_first(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"event": event_dict.pop("event", ""), **event_dict}


def _service_adder(service: str) -> Processor:
    def add_service(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event_dict.setdefault("service", service)
        return event_dict

    return add_service


def _route_standard_logging(shared: list[Processor], final: list[Processor], level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for chatty in ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "alembic.runtime.plugins"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
