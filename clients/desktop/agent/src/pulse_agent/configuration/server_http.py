"""The few requests that the agent makes to the server's own address, over HTTP(S), blocking."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_SECONDS: Final = 15.0
MAX_ANSWER_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered: the beginning of its body, and its `Date`, if it said one."""

    status: int
    body: bytes
    date: str | None = None


class ServerUnreachableError(Exception):
    """Nobody answered at this address; the message says what was tried."""


def request(method: str, url: str, path: str, body: bytes | None, ca_file: Path | None) -> Answer:
    """Send a JSON request to `path` under the server's address. Raises ServerUnreachableError."""
    headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
    try:
        connection, prefix = connection_to(url, ca_file)
        try:
            connection.request(method, prefix + path, body, headers)
            with connection.getresponse() as answer:
                return Answer(answer.status, answer.read(MAX_ANSWER_BYTES), answer.getheader("Date"))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerUnreachableError(f"{url} was not reached: {error}") from error


def connection_to(url: str, ca_file: Path | None) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection, not opened yet, and what the server's paths begin with. Raises ServerUnreachableError, OSError."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerUnreachableError(f"{url!r} is no http or https address")
    prefix = parts.path.rstrip("/")
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS), prefix
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=context), prefix
