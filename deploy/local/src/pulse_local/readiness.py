"""Asks a service whether it is ready: `GET /readyz`, with what is down by name."""

from __future__ import annotations

import http.client
import json
from http import HTTPStatus
from urllib.parse import urlsplit

from pulse_local.ports import LOOPBACK

_SECONDS = 3.0  # A service gives each of its dependencies two.


def is_ready(url: str) -> bool:
    """Say whether the service at `url` says that it is ready."""
    return unreadiness(url) == ""


def unreadiness(url: str) -> str:
    """Return why the service at `url` is not ready, in words; empty when it is."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or LOOPBACK, address.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return "" if answer.status == HTTPStatus.OK else _what_is_down(answer.read(), answer.status)
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"
    finally:
        connection.close()


def _what_is_down(body: bytes, status: int) -> str:
    try:
        dependencies = json.loads(body)["dependencies"]
        down = [f"{name}: {one.get('detail', '')}" for name, one in dependencies.items() if not one["ok"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"answers {status}"
    return "; ".join(down)
