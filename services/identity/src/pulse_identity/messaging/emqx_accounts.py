"""The accounts of devices with EMQX, which keeps none: it asks identity about each connection and topic (`emqx_routes`).

So the registry is the list of accounts, and what is left to do at the broker is to end what must not go on, through EMQX's
management API. A device is switched off before that is committed, and could come back in between; it is banned for
`BAN_SECONDS`, by then the registry refuses it. A connection that EMQX had asked about before the ban, and that stood only
after the device was sent away, is ended by a second look, `AGAIN_SECONDS` later, which is still within the ban. With a new
key there is no ban, only the second look: it may end the connection with the new key as well, once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_contracts.broker_accounts import SERVICE_ACCOUNT_PREFIX
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.domain.reconciliation import AccountState

BAN_SECONDS: Final = 30
AGAIN_SECONDS: Final = 10.0
"""EMQX waits 5 s for an answer about a connection; see `files/emqx.hocon` of the chart."""
LOOKS: Final = 10_000
"""Second looks that may wait; beyond that the oldest are not taken, and the log says so."""
AT_ONCE: Final = 10
TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)
_POLL_SECONDS: Final = 1.0
_log = get_logger("broker")


@dataclass(frozen=True, slots=True)
class EmqxApi:
    """Where EMQX's management API is and with which key: a line `key:secret` of its bootstrap file, or with a role."""

    url: str
    api_key: str = field(repr=False)

    @property
    def auth(self) -> httpx.BasicAuth:
        """The key as the API takes it."""
        key, secret, *_ = self.api_key.split(":")
        return httpx.BasicAuth(key, secret)


class RegisteredAccounts(Protocol):
    """Devices as accounts; raises UnavailableError without the database."""

    async def states(self, device_ids: Sequence[str]) -> list[AccountState]:
        """Return the accounts of those of the devices that there are."""
        ...

    async def all(self) -> list[AccountState]:
        """Return every device's account."""
        ...

    async def close(self) -> None:
        """End what it holds."""
        ...


class EmqxAccounts:
    """A `BrokerAccounts` over EMQX's management API and our own registry."""

    def __init__(self, api: EmqxApi, registry: RegisteredAccounts, clock: Clock) -> None:
        self._http = httpx.AsyncClient(base_url=f"{api.url.rstrip('/')}/api/v5", auth=api.auth, timeout=TIMEOUT)
        self._registry = registry
        self._clock = clock
        self._looks: OrderedDict[str, float] = OrderedDict()
        self._turn = asyncio.Semaphore(AT_ONCE)

    def worker(self) -> Worker:
        """Return the worker that takes the second looks; it goes last, for requests that are still being answered."""
        return Worker("broker_link", self._run, stops_last=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._registry.close()

    async def check(self) -> None:
        """Raise UnavailableError unless EMQX answers and knows our key: a check for `HealthRegistry`."""
        await self._ask("GET", "/clients?limit=1&fields=clientid", {200})

    async def put(self, accounts: Sequence[DeviceAccount]) -> None:
        """Let new devices in, and send those away that had another key before."""
        if any(account.device_id.startswith(SERVICE_ACCOUNT_PREFIX) for account in accounts):
            message = "this id belongs to an account of the broker that is not a device's"
            raise ConflictError(message, code="reserved_device_id", field="id")
        ids = [account.device_id for account in accounts]
        known = {state.device_id for state in await self._registry.states(ids)}
        await self._each(self._send_away, [name for name in ids if name in known])
        # A device that was deleted a moment ago may have had the id.
        await self._each(self._lift_ban, [account.device_id for account in accounts if account.is_enabled])
        await self._each(self._ban, [account.device_id for account in accounts if not account.is_enabled])

    async def set_enabled(self, device_id: str, *, is_enabled: bool) -> bool:
        """Let a device in again, or shut it out and disconnect it at once; False when there is no such device."""
        if await self.find(device_id) is None:
            return False
        if is_enabled:
            await self._lift_ban(device_id)
        else:
            await self._ban(device_id)
            await self._send_away(device_id)
        return True

    async def delete(self, device_ids: Sequence[str]) -> None:
        """Disconnect devices that the registry does not have any more."""
        await self._each(self._send_away, device_ids)

    async def find(self, device_id: str) -> AccountState | None:
        """Return one device's account."""
        return next(iter(await self._registry.states([device_id])), None)

    async def all(self) -> list[AccountState]:
        """Return all devices' accounts."""
        return await self._registry.all()

    async def _send_away(self, device_id: str) -> None:
        # Noted first: without an answer it has to be done later.
        self._looks.pop(device_id, None)
        self._looks[device_id] = time.monotonic() + AGAIN_SECONDS
        if len(self._looks) > LOOKS:
            oldest, _ = self._looks.popitem(last=False)
            _log.warning("second_look_dropped", device_id=oldest)
        await self._disconnect(device_id)

    async def _disconnect(self, device_id: str) -> None:
        await self._ask("DELETE", f"/clients/{quote(device_id, safe='')}", {204, 404})

    async def _ban(self, device_id: str) -> None:
        until = (self._clock.now() + timedelta(seconds=BAN_SECONDS)).isoformat(timespec="seconds")
        # EMQX neither shortens nor extends a ban that there is.
        await self._lift_ban(device_id)
        ban = {"as": "clientid", "who": device_id, "by": "identity", "reason": "switched off", "until": until}
        await self._ask("POST", "/banned", {200}, ban)

    async def _lift_ban(self, device_id: str) -> None:
        await self._ask("DELETE", f"/banned/clientid/{quote(device_id, safe='')}", {204, 404})

    async def _each(self, action: Any, device_ids: Sequence[str]) -> None:
        async def one(device_id: str) -> None:
            async with self._turn:
                await action(device_id)

        await asyncio.gather(*map(one, device_ids))

    async def _ask(self, method: str, path: str, expected: set[int], body: Any = None) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            message = "the broker's accounts cannot be changed at this moment"
            raise UnavailableError(message, code="broker_unavailable", retry_after=2.0) from error
        if answer.status_code not in expected:
            # Of the path only what names no device.
            _log.error("broker_refused_command", command=f"{method} {path.split('/')[1]}", status=answer.status_code)
            message = "the broker refused to change an account"
            raise UnavailableError(message, code="broker_refused")
        return answer

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _POLL_SECONDS)
            # What a broker that is away did not hear is kept, and asked for again.
            with suppress(UnavailableError):
                await self.look_again()

    async def look_again(self) -> None:
        """Take the second looks that are due; raises UnavailableError while the broker is away."""
        while self._looks:
            device_id, due = next(iter(self._looks.items()))
            if due > time.monotonic():
                return
            await self._disconnect(device_id)
            self._looks.pop(device_id, None)
