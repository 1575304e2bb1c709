"""Who is asking: access tokens signed and verified, and the rule that each route must carry.

The only module that touches python-jose. It is always called with `algorithms=["ES256"]`, with keys that were built
from JWKs of the curve P-256, and with `exp`, `aud`, `iss`, `sub` required: left to itself it would take an HS256 token
signed with a public key. Tokens are verified offline against the published keys; a key id that is unknown fetches them
anew, at most once per 5 s. A token, or any part of one, is never logged or repeated in an error.

How a route says who may call it (default deny: `route_rules` shows a test those that say nothing):

    async def list_devices(principal: Annotated[Principal, Depends(requires("devices:read"))]) -> ...
    @router.post("/login", dependencies=[Depends(public("signing in"))])
    @declares_access("device key or telemetry:write")  # on a dependency of one's own
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jose import jwk, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError
from pydantic import ValidationError

from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.current_rights import CurrentRights
from pulse_chassis.errors import ForbiddenError, UnauthorizedError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.principal import Principal
from pulse_chassis.request_origin import note_principal
from pulse_chassis.verified_tokens import VerifiedTokens
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS, JWKS_PATH, TOKEN_AUDIENCE, TOKEN_ISSUER, AccessClaims

__all__ = [
    "AccessRule",
    "Authority",
    "JwksProvider",
    "Principal",
    "authenticated",
    "declares_access",
    "generate_signing_key",
    "issue_access_token",
    "jwks_url",
    "public",
    "public_jwk",
    "requires",
    "route_rules",
    "rule_of",
]

ALGORITHM: Final = "ES256"
CURVE: Final = "P-256"
REFETCH_SECONDS: Final = 5.0
"""An attacker who invents key ids makes us ask for the keys this often, not more."""
MAX_AGE_SECONDS: Final = 300.0
"""A withdrawn key is forgotten after this long; until then an unreachable identity service harms nobody."""
FETCH_SECONDS: Final = 3.0
MAX_TOKEN_CHARS: Final = 8 * 1024

_COMPACT_JWS: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_log = get_logger("bearer")

JwksProvider = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives the JSON Web Key Set; raises when it cannot."""


class Authority:
    """Verifies access tokens against the keys that identity publishes."""

    def __init__(
        self,
        jwks: str | JwksProvider,
        *,
        issuer: str = TOKEN_ISSUER,
        audience: str = TOKEN_AUDIENCE,
        clock: Clock | None = None,
        revoked: Container[UUID] = frozenset(),
        rights: CurrentRights | None = None,
    ) -> None:
        self._revoked = revoked
        self._rights = rights
        self._provide = _fetch_from(jwks) if isinstance(jwks, str) else jwks
        self._issuer = issuer
        self._audience = audience
        self._clock = clock or SystemClock()
        self._keys: dict[str, Key] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self._verified = VerifiedTokens()

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for: with what it claims, or with what holds now (`CurrentRights`).

        Raises UnauthorizedError when it is not one of ours, no longer valid, of a session that was ended or of a user
        who is known to be inactive, UnavailableError when its key or the user's rights cannot be found out.
        """
        self._refresh_when_old()
        principal = self._verified.find(token, self._keys)
        if principal is None:
            key_id = _key_id(token)
            key = await self._key_for(key_id)
            principal = self._check(token, key)
            self._verified.remember(token, principal, key_id, key)
        if principal.session_id in self._revoked:
            message = "this session has ended"
            raise UnauthorizedError(message, code="session_revoked")
        return principal if self._rights is None else await self._rights.now(principal)

    def _check(self, token: str, key: Key) -> Principal:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options=_REQUIRED,
            )
            return _principal(AccessClaims.model_validate(claims))
        except (JOSEError, ValidationError, ValueError, OverflowError, RecursionError):
            raise _not_ours() from None

    async def _key_for(self, key_id: str) -> Key:
        if key_id not in self._keys:
            await self._refetch(key_id)
        key = self._keys.get(key_id)
        if key is None:
            if self._fetched_at is None or (self._asked_at or 0.0) > self._fetched_at:
                message = "the signing keys cannot be fetched now"
                raise UnavailableError(message, code="keys_unavailable", retry_after=REFETCH_SECONDS)
            raise _not_ours()
        return key

    async def _refetch(self, key_id: str) -> None:
        if self._refreshing is not None:  # The keys are being fetched anyhow: this one may be among them.
            await asyncio.wait({self._refreshing})
        async with self._fetching:
            now = self._clock.monotonic()
            asked_recently = self._asked_at is not None and now - self._asked_at < REFETCH_SECONDS
            if key_id in self._keys or asked_recently:
                return
            await self._fetch(now)

    async def _fetch(self, now: float) -> None:
        self._asked_at = now
        try:
            published = await self._provide()
            keys = _usable_keys(published)
        except Exception as error:  # noqa: BLE001 -- a boundary: whatever goes wrong, the keys we have stay good
            _log.warning("jwks_fetch_failed", reason=type(error).__name__)
            return
        self._keys = keys
        self._fetched_at = now

    def _refresh_when_old(self) -> None:
        now = self._clock.monotonic()
        if self._fetched_at is None or now - self._fetched_at < MAX_AGE_SECONDS:
            return
        is_running = self._refreshing is not None and not self._refreshing.done()
        if not is_running and (self._asked_at is None or now - self._asked_at >= REFETCH_SECONDS):
            self._asked_at = now
            self._refreshing = asyncio.create_task(self._fetch(now), name="jwks_refresh")


_REQUIRED: Final = {
    "require_exp": True,
    "require_aud": True,
    "require_iss": True,
    "require_sub": True,
    "require_iat": True,
    "leeway": 0,
}


def jwks_url(identity_url: str) -> str:
    """Return where an identity service publishes its keys."""
    return identity_url.rstrip("/") + JWKS_PATH


def generate_signing_key(key_id: str) -> dict[str, str]:
    """Return a new private JWK (P-256). It is a secret: store it encrypted, publish only `public_jwk` of it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fields = {name: _text(value) for name, value in jwk.construct(pem, ALGORITHM).to_dict().items()}
    return {**fields, "kid": key_id, "use": "sig", "alg": ALGORITHM}


def public_jwk(private_jwk: Mapping[str, str]) -> dict[str, str]:
    """Return the half of a signing key that everybody may see."""
    return {name: private_jwk[name] for name in ("kty", "crv", "x", "y", "kid", "use", "alg")}


def issue_access_token(  # noqa: PLR0913 -- the claims of a token, each by name
    signing_key: Mapping[str, str],
    *,
    user_id: UUID,
    username: str,
    roles: list[str],
    permissions: list[str],
    session_id: UUID,
    now: datetime,
    lifetime: timedelta = timedelta(seconds=ACCESS_TOKEN_SECONDS),
) -> str:
    """Return an access token signed with a private JWK of `generate_signing_key`."""
    claims = AccessClaims(
        iss=TOKEN_ISSUER,
        aud=TOKEN_AUDIENCE,
        sub=user_id,
        sid=session_id,
        typ="access",
        username=username,
        roles=roles,
        perms=permissions,
        iat=int(now.timestamp()),
        exp=int((now + lifetime).timestamp()),
    )
    token: str = jwt.encode(
        claims.model_dump(mode="json"),
        jwk.construct(dict(signing_key), ALGORITHM),
        algorithm=ALGORITHM,
        headers={"kid": signing_key["kid"]},
    )
    return token


def _key_id(token: str) -> str:
    """Read the key id of a token that looks like ours; refuse everything else before any cryptography."""
    if len(token) > MAX_TOKEN_CHARS or _COMPACT_JWS.fullmatch(token) is None:
        raise _not_ours()
    try:
        header = jwt.get_unverified_header(token)
    except (JOSEError, ValueError, RecursionError):
        raise _not_ours() from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str) or "crit" in header:
        raise _not_ours()
    return key_id


def _usable_keys(published: Mapping[str, Any]) -> dict[str, Key]:
    """Take the keys that can verify an ES256 signature; everything else in the set is not for us."""
    keys = {}
    for entry in published["keys"]:
        is_ours = entry.get("kty") == "EC" and entry.get("crv") == CURVE and entry.get("use", "sig") == "sig"
        if is_ours and entry.get("alg", ALGORITHM) == ALGORITHM and isinstance(entry.get("kid"), str):
            public = {name: entry[name] for name in ("kty", "crv", "x", "y")}
            keys[entry["kid"]] = jwk.construct(public, ALGORITHM)
    return keys


def _principal(claims: AccessClaims) -> Principal:
    return Principal(
        user_id=claims.sub,
        username=claims.username,
        roles=tuple(claims.roles),
        permissions=frozenset(claims.perms),
        session_id=claims.sid,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
    )


def _fetch_from(url: str) -> JwksProvider:
    async def fetch() -> Mapping[str, Any]:
        async with httpx.AsyncClient(timeout=FETCH_SECONDS) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            published: Mapping[str, Any] = answer.json()
            return published

    return fetch


def _not_ours() -> UnauthorizedError:
    return UnauthorizedError("the access token is missing, expired or not valid", code="invalid_token")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may call a route: holders of a permission, any signed-in user, anybody, or as `detail` says."""

    kind: Literal["permission", "authenticated", "public", "declared"]
    detail: str


CallableT = TypeVar("CallableT", bound=Callable[..., Any])
_RULE_ATTRIBUTE: Final = "pulse_access_rule"
_scheme: Final = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT")


async def _signed_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
) -> Principal:
    authority: Authority | None = request.app.state.authority
    if authority is None:
        message = "this app has guarded routes but was created without an Authority"
        raise RuntimeError(message)
    if credentials is None:
        message = "sign in first: an access token is needed"
        raise UnauthorizedError(message)
    return note_principal(await authority.verify(credentials.credentials))


def requires(permission: str) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the Principal, 401 without a valid token, 403 without the permission."""
    wanted = str(permission)

    async def holder(principal: Annotated[Principal, Depends(_signed_in)]) -> Principal:
        if wanted not in principal.permissions:
            message = f"the permission {wanted} is needed"
            raise ForbiddenError(message)
        return principal

    return _mark(holder, AccessRule("permission", wanted))


def authenticated() -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the Principal of any signed-in user, 401 without a valid token."""

    async def signed_in(principal: Annotated[Principal, Depends(_signed_in)]) -> Principal:
        return principal

    return _mark(signed_in, AccessRule("authenticated", "any signed-in user"))


def public(reason: str) -> Callable[[], Awaitable[None]]:
    """Return a dependency that lets everybody in, and says why that is right."""

    async def anybody() -> None:
        return None

    return _mark(anybody, AccessRule("public", reason))


def declares_access(detail: str) -> Callable[[CallableT], CallableT]:
    """Mark a dependency (or an endpoint) that checks access by a way of its own, in words."""

    def mark(check: CallableT) -> CallableT:
        return _mark(check, AccessRule("declared", detail))

    return mark


def route_rules(app: FastAPI) -> list[tuple[str, str, AccessRule | None]]:
    """Return method, path and rule of every route (WebSockets as `WEBSOCKET`); None is a route without a rule."""
    rules: list[tuple[str, str, AccessRule | None]] = []
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        methods = sorted((route.methods or set()) - {"HEAD"}) or ["WEBSOCKET" if _is_socket(route) else "*"]
        rules += [(method, path, rule_of(route)) for method in methods]
    return rules


def rule_of(route: Any) -> AccessRule | None:
    """Return the rule of one route: of its endpoint, of the app mounted there, or of any dependency."""
    original = getattr(route, "original_route", route)
    marked = getattr(route, "endpoint", None) or getattr(original, "app", None)
    dependant = getattr(route, "dependant", None)
    return _rule(marked) or (None if dependant is None else _rule_in(dependant))


def _rule_in(dependant: Any) -> AccessRule | None:
    for part in dependant.dependencies:
        found = _rule(part.call) or _rule_in(part)
        if found is not None:
            return found
    return None


def _rule(marked: Any) -> AccessRule | None:
    rule = getattr(marked, _RULE_ATTRIBUTE, None)
    return rule if isinstance(rule, AccessRule) else None


def _is_socket(route: Any) -> bool:
    return "WebSocket" in type(getattr(route, "original_route", route)).__name__


def _mark(target: CallableT, rule: AccessRule) -> CallableT:
    setattr(target, _RULE_ATTRIBUTE, rule)
    return target
