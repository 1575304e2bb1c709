"""The public keys of sync and commands: whose signatures this desktop believes.

Fetched over the same address and authority as the enrolment, kept in a file beside it. A service that was not there is
asked again while the agent runs; a key that is known is never replaced by itself: only by enrolling anew.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from pulse_agent.configuration.device import EnrolledDevice, write_private
from pulse_agent.configuration.server_http import ServerUnreachableError, request
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.sealing import Sealer, SealError
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.sync import ServiceKeys

SERVER_KEYS_FILE: Final = "server-keys.json"
SYNC_KEYS_PATH: Final = "/api/sync/keys"
COMMANDS_KEYS_PATH: Final = "/api/commands/keys"
RETRY_FIRST_SECONDS: Final = 5.0
RETRY_CEILING_SECONDS: Final = 300.0

_log = get_logger("server_keys")


class ServerKeys(BaseModel):
    """What is known; None: not yet."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sync: ServiceKeys | None = None
    commands: ServiceKeys | None = None

    @property
    def missing(self) -> list[str]:
        """Names of the services whose keys are not known."""
        return [name for name in ("sync", "commands") if getattr(self, name) is None]


def load_server_keys(data: Path) -> ServerKeys:
    """Return what was fetched so far; nothing when the file is not there or cannot be read."""
    try:
        return ServerKeys.model_validate_json((data / SERVER_KEYS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ServerKeys()


def save_server_keys(data: Path, keys: ServerKeys) -> None:
    """Keep what is known."""
    write_private(data / SERVER_KEYS_FILE, keys.model_dump_json(indent=2, exclude_none=True) + "\n")


def fetch_server_keys(data: Path, device: EnrolledDevice) -> ServerKeys:
    """Ask for what is missing and keep it; return what is known then. Blocking; never raises for a server away."""
    known = load_server_keys(data)
    found: dict[str, ServiceKeys] = {}
    for name, path in (("sync", SYNC_KEYS_PATH), ("commands", COMMANDS_KEYS_PATH)):
        keys = _fetch(device.server_url, path, device.server_ca(data)) if name in known.missing else None
        if keys is not None:
            found[name] = keys
    if found:
        known = known.model_copy(update=found)
        save_server_keys(data, known)
    return known


class ServerKeysFetcher:
    """Asks until every key is known, while the agent runs; tells `told` (in the event loop) after each success."""

    def __init__(self, data: Path, device: EnrolledDevice, told: Callable[[ServerKeys], None], clock: Clock) -> None:
        self._data = data
        self._device = device
        self._told = told
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until all is known, then wait for `stop`."""
        backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_CEILING_SECONDS)
        stopping = asyncio.create_task(stop.wait())
        known = load_server_keys(self._data)
        try:
            while known.missing and not stop.is_set():
                found = await asyncio.to_thread(fetch_server_keys, self._data, self._device)
                if found != known:
                    known = found
                    _log.info("server_keys_fetched", missing=known.missing)
                    self._told(known)
                if known.missing:
                    sleeping = asyncio.ensure_future(self._clock.sleep(backoff.next_delay()))
                    await asyncio.wait({stopping, sleeping}, return_when=asyncio.FIRST_COMPLETED)
                    sleeping.cancel()
            await stopping
        finally:
            stopping.cancel()


def _fetch(url: str, path: str, ca_file: Path | None) -> ServiceKeys | None:
    try:
        answer = request("GET", url, path, None, ca_file)
        if answer.status != http.client.OK:
            _log.debug("server_keys_not_there", path=path, status=answer.status)
            return None
        keys = ServiceKeys.model_validate_json(answer.body)
        if not keys.keys:
            return None
        TrustedKeys(keys.keys)
        if path == SYNC_KEYS_PATH:
            Sealer(keys.seal_key or "")
    except (ServerUnreachableError, ValidationError, ValueError, SealError) as error:
        _log.debug("server_keys_not_there", path=path, reason=str(error))
        return None
    return keys
