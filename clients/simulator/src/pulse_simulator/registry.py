"""Credentials of the simulated devices: registered over REST, kept in the data folder for the next run.

What it guarantees: each key is saved (mode 0600) before it is used; a device that exists already gets a new key
unless its key is known; nothing is registered twice. Keys are never printed or logged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pulse_simulator.gateway_session import GatewayError, GatewayRefusedError, GatewaySession, GatewayUnreachableError

_BATCH: Final = 100
"""Devices of one request: the server takes 500, but each account costs the broker up to 24 ms, all within the request."""
KEYS_FILE: Final = "credentials.json"
_NO_SUCH_ROUTE: Final = frozenset({404, 405, 501})


class CredentialsError(Exception):
    """Credentials are missing or could not be had."""


class Credentials:
    """API keys by device id, in one file of one gateway's fleet."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEYS_FILE
        self._keys: dict[str, str] = {}
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            self._keys = {str(device): str(key) for device, key in content.items()}
        except FileNotFoundError:
            pass
        except (ValueError, AttributeError, OSError):
            raise CredentialsError(f"{self._path} cannot be read; delete it to register the devices again") from None

    def __contains__(self, device_id: str) -> bool:
        return device_id in self._keys

    def key(self, device_id: str) -> str:
        """Return a device's key; raise CredentialsError when it has none."""
        try:
            return self._keys[device_id]
        except KeyError:
            raise CredentialsError(
                f"no key is known for {device_id} in {self._path}: run once with --register"
            ) from None

    def keep(self, keys: dict[str, str]) -> None:
        """Add keys and write the file."""
        self._keys.update(keys)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(self._keys, file, indent=1)
        draft.replace(self._path)


async def register(
    session: GatewaySession,
    credentials: Credentials,
    device_ids: Sequence[str],
    kind: str,
    on_progress: Callable[[int], None],
) -> None:
    """Make sure that every device exists and its key is known; `on_progress` hears how many more are done."""
    known = await _existing(session, device_ids)
    missing = [device_id for device_id in device_ids if device_id not in known]
    unusable = [device_id for device_id in device_ids if device_id in known and device_id not in credentials]
    on_progress(len(device_ids) - len(missing) - len(unusable))
    try:
        for batch in _batches(missing):
            credentials.keep(await _create(session, batch, kind))
            on_progress(len(batch))
        for device_id in unusable:
            reply = await session.request("POST", f"/api/devices/{device_id}/rotate-key", json={})
            credentials.keep({device_id: _key_of(reply)})
            on_progress(1)
    except GatewayError as error:
        raise CredentialsError(f"the devices could not be registered: {error}") from error


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


async def _existing(session: GatewaySession, device_ids: Sequence[str]) -> set[str]:
    """Return which of these exist, page by page: one question for each device would take minutes for thousands."""
    wanted, found = set(device_ids), set[str]()
    cursor: str | None = None
    try:
        while True:
            page = await session.request("GET", "/api/devices?limit=200" + (f"&cursor={cursor}" if cursor else ""))
            found |= wanted.intersection(str(item["id"]) for item in page["items"])
            cursor = page.get("next_cursor")
            if not cursor or found == wanted:
                return found
    except (GatewayRefusedError, GatewayUnreachableError) as error:
        raise CredentialsError(f"the devices could not be listed: {error}") from error


async def _create(session: GatewaySession, ids: Sequence[str], kind: str) -> dict[str, str]:
    bodies = [{"id": device_id, "name": device_id, "kind": kind} for device_id in ids]
    try:
        reply = await session.request("POST", "/api/devices/batch", json={"devices": bodies})
    except GatewayRefusedError as refused:
        if refused.status not in _NO_SUCH_ROUTE:
            raise
        return {body["id"]: _key_of(await session.request("POST", "/api/devices", json=body)) for body in bodies}
    return {str(device["id"]): _key_of(device) for device in reply["devices"]}


def _key_of(reply: Any) -> str:
    try:
        return str(reply["api_key"])
    except (KeyError, TypeError):
        raise CredentialsError("the gateway's answer holds no API key") from None
