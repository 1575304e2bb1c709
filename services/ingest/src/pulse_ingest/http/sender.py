"""Who sends readings over HTTP: a device with its API key, or a user with `telemetry:write`.

A key that is nobody's is refused here, counted, and written down as rejected by the pipeline; guessing is slowed down
for each address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from pulse_chassis.bearer import Authority, Principal
from pulse_chassis.errors import ForbiddenError, RateLimitedError, UnauthorizedError, UnavailableError
from pulse_chassis.request_origin import note_actor, note_principal
from pulse_contracts.audit import AuditActor
from pulse_contracts.ids import ClientId
from pulse_contracts.permissions import Permission
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import DeferredError, Refusal
from pulse_ingest.domain.token_bucket import RateLimit, TokenBuckets
from pulse_ingest.use_cases.ports import DeviceRegistry

WRONG_KEY_LIMIT: Final = RateLimit(rows_s=1.0, burst=20.0)
"""Wrong keys from one address: as many at once, then one a second."""
MAX_KEY_CHARS: Final = 256
WRONG_KEY: Final = Refusal(RejectionCode.WRONG_KEY, "the API key is not valid")


@dataclass(frozen=True, slots=True)
class Sender:
    """Exactly one of the two is there."""

    device_id: ClientId | None = None
    user: Principal | None = None


class Senders:
    """Finds out who sends."""

    def __init__(
        self,
        registry: DeviceRegistry,
        authority: Authority,
        monotonic: Callable[[], float],
        on_wrong_key: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._monotonic = monotonic
        self._on_wrong_key = on_wrong_key
        self._guesses = TokenBuckets(WRONG_KEY_LIMIT)

    async def identify(self, request: Request) -> Sender:
        """Return who sends. Raises UnauthorizedError, ForbiddenError, RateLimitedError or UnavailableError."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        credential = credential.strip() if scheme.lower() == "bearer" else ""
        api_key = request.headers.get("x-api-key", "").strip()
        if api_key:
            return await self._device(api_key, request)
        if not credential:
            message = "an API key (X-API-Key, or Authorization: Bearer) or an access token is needed"
            raise UnauthorizedError(message)
        if credential.count(".") == 2:
            return await self._user(credential)
        return await self._device(credential, request)

    async def _user(self, token: str) -> Sender:
        principal = note_principal(await self._authority.verify(token))
        if Permission.TELEMETRY_WRITE not in principal.permissions:
            message = f"the permission {Permission.TELEMETRY_WRITE} is needed"
            raise ForbiddenError(message)
        return Sender(user=principal)

    async def _device(self, api_key: str, request: Request) -> Sender:
        address = request.client.host if request.client is not None else "unknown"
        now = self._monotonic()
        if self._guesses.is_exhausted(address, now):
            message = "too many wrong API keys"
            raise RateLimitedError(message, retry_after=self._guesses.seconds_until_free(address, now))
        try:
            device = await self._registry.find_by_key(api_key) if len(api_key) <= MAX_KEY_CHARS else None
        except DeferredError as error:
            message = "devices cannot be looked up now"
            raise UnavailableError(message, retry_after=2.0) from error
        if device is None or not device.is_active:
            self._guesses.take(address, 1, now)
            self._on_wrong_key()
            raise UnauthorizedError(WRONG_KEY.detail, code=WRONG_KEY.code.value)
        note_actor(AuditActor(kind="device", id=device.client_id))
        return Sender(device_id=device.client_id)
