"""A signed-in HTTP session with the gateway: log in, keep the token fresh, send JSON, and say plainly what went wrong.

What it guarantees: a token it returns is good for at least half a minute; one log-in or refresh at a time; a refresh
that is refused falls back to a log-in. The password stays in memory, tokens are never logged. It retries nothing but
a request whose token was refused, once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from pulse_contracts.problem import Problem

_MARGIN_S: Final = 30.0
"""A token that ends sooner than this is renewed before it is used."""
_TIMEOUT_S: Final = 30.0
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class GatewayError(Exception):
    """Something went wrong between us and the gateway."""


class GatewayUnreachableError(GatewayError):
    """No answer, or one that says to come back later."""


class GatewayRefusedError(GatewayError):
    """The gateway said no: `status` is HTTP's, `code` the problem document's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine, where no system proxy must be asked."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class GatewaySession:
    """Use it as an async context manager; `base_url` is the gateway's, as in `stack.json`."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._http = httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_S, trust_env=not is_loopback(base_url))
        self._lock = asyncio.Lock()
        self._access: str | None = None
        self._refresh: str | None = None
        self._expires_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def access_token(self, *, renew: bool = False) -> str:
        """Return a token good for half a minute at least, a new one if `renew`; raise a GatewayError if none is
        given."""
        stale = self._access if renew else None
        async with self._lock:
            is_fresh = self._access is not None and time.monotonic() < self._expires_at - _MARGIN_S
            # Whoever waited for the lock while another renewed takes what the other got.
            if self._access is None or not is_fresh or self._access == stale:
                await self._renew()
            if self._access is None:
                raise GatewayUnreachableError("the gateway gave no token")
            return self._access

    async def request(self, method: str, path: str, *, json: Any = None, if_match: str | None = None) -> Any:
        """Send one request and return the JSON of its answer (None for an empty one); raise a GatewayError
        otherwise. `if_match` is the header of that name."""
        more = {} if if_match is None else {"If-Match": if_match}
        token = await self.access_token()
        response = await self._send(method, path, json, token, more)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            response = await self._send(method, path, json, await self.access_token(renew=True), more)
        return _content(response)

    async def _renew(self) -> None:
        if self._refresh is not None:
            try:
                self._keep(await self._post("/api/auth/refresh", {"refresh_token": self._refresh}))
            except GatewayRefusedError:
                self._refresh = None
            else:
                return
        self._keep(await self._post("/api/auth/login", {"username": self._username, "password": self._password}))

    def _keep(self, reply: Any) -> None:
        try:
            self._access = str(reply["access_token"])
            self._expires_at = time.monotonic() + float(reply["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise GatewayUnreachableError("the gateway's answer to the log-in holds no token") from None
        refresh = reply.get("refresh_token")
        self._refresh = refresh if isinstance(refresh, str) else None

    async def _post(self, path: str, body: dict[str, str]) -> Any:
        return _content(await self._send("POST", path, body, None))

    async def _send(
        self, method: str, path: str, json: Any, token: str | None, more: Mapping[str, str] = _NO_HEADERS
    ) -> httpx.Response:
        headers = {**more, "Authorization": f"Bearer {token}"} if token else dict(more)
        try:
            return await self._http.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise GatewayUnreachableError(f"the gateway at {self._http.base_url} cannot be reached: {reason}") from None


def _content(response: httpx.Response) -> Any:
    if response.is_success:
        try:
            return response.json() if response.content else None
        except ValueError:
            raise GatewayUnreachableError("the gateway's answer is not JSON") from None
    try:
        problem = Problem.model_validate_json(response.content)
        code, message = problem.code, problem.detail
    except ValidationError:
        code, message = "unknown", f"HTTP {response.status_code}"
    if response.status_code >= 500 or response.status_code in {408, 425, 429}:
        raise GatewayUnreachableError(f"the gateway cannot answer now: {message}")
    raise GatewayRefusedError(response.status_code, code, message)
