"""An OpenID Connect provider over HTTP: discovery, authorization code with PKCE, the ID token verified.

Guaranteed of a person that comes out of here: the token was signed with one of the provider's published keys by an
asymmetric algorithm, for this client, by this issuer, for this sign-in (nonce), and has not expired. No secret, code or
token is logged or repeated in an error. What the provider publishes is kept for an hour; an unknown key asks anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnauthorizedError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_identity.domain.external_people import ExternalPerson

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
KEPT_SECONDS: Final = 3600.0
LEEWAY_SECONDS: Final = 60
TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0)
MAX_CLAIM_CHARS: Final = 255
_log = get_logger("oidc")


_REFUSED: Final = "the other sign-in provider did not confirm who you are"


class _UnknownKeyError(UnauthorizedError):
    """The token names a key that is not among those that were published when we last asked."""


@dataclass(frozen=True, slots=True)
class OidcClient:
    """Who we are at the provider."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_url: str
    scopes: str = "openid profile email"
    groups_claim: str = "groups"


@dataclass(frozen=True, slots=True)
class _Published:
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    at: float


class OidcProvider:
    """A `SignInProvider`."""

    def __init__(self, client: OidcClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._published: _Published | None = None

    async def begin(self, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser is sent."""
        published = await self._discover(KEPT_SECONDS)
        url: str = prepare_grant_uri(
            published.authorization_endpoint,
            self._client.client_id,
            "code",
            redirect_uri=self._client.redirect_url,
            scope=self._client.scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def redeem(self, code: str, nonce: str, verifier: str) -> ExternalPerson:
        """Return whom the code stands for; raises UnauthorizedError when anything about the answer is not right."""
        published = await self._discover(KEPT_SECONDS)
        id_token = await self._exchange(published, code, verifier)
        try:
            claims = self._verified(published, id_token, nonce)
        except _UnknownKeyError:
            # Perhaps because it is new. Nobody but the provider can make us ask.
            claims = self._verified(await self._discover(0.0), id_token, nonce)
        return self._person(claims)

    async def _exchange(self, published: _Published, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_url,
            "client_id": self._client.client_id,
            "code_verifier": verifier,
        }
        secret = self._client.client_secret
        auth = httpx.USE_CLIENT_DEFAULT if secret is None else httpx.BasicAuth(self._client.client_id, secret)
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as http:
                answer = await http.post(published.token_endpoint, data=form, auth=auth)
        except httpx.HTTPError as error:
            raise _away() from error
        if answer.status_code >= 500:
            raise _away()
        try:
            id_token = answer.json()["id_token"] if answer.status_code == httpx.codes.OK else None
        except (ValueError, KeyError, TypeError):
            id_token = None
        if not isinstance(id_token, str):
            _log.warning("code_not_redeemed", status=answer.status_code)
            raise _refused()
        return id_token

    def _verified(self, published: _Published, id_token: str, nonce: str) -> dict[str, Any]:
        """Return the claims; raises UnauthorizedError, one kind of which is a key that is not among the published."""
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock.now().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._client.issuer},
            aud={"essential": True, "value": self._client.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            token = jwt.decode(id_token, published.keys, algorithms=list(ALGORITHMS))
            registry.validate(token.claims)
        except (JoseError, ValueError, TypeError) as error:
            _log.warning("id_token_refused", reason=type(error).__name__)
            raise (_UnknownKeyError if isinstance(error, InvalidKeyIdError) else UnauthorizedError)(
                _REFUSED, code="oidc_refused"
            ) from None
        claims: dict[str, Any] = token.claims
        others = claims.get("azp", self._client.client_id)
        if others != self._client.client_id:
            raise _refused()
        return claims

    def _person(self, claims: dict[str, Any]) -> ExternalPerson:
        subject = _text(claims.get("sub"))
        if subject is None:
            raise _refused()
        groups = claims.get(self._client.groups_claim)
        listed = groups if isinstance(groups, list) else [groups]
        email = _text(claims.get("email")) if claims.get("email_verified") is True else None
        return ExternalPerson(
            issuer=self._client.issuer,
            subject=subject,
            username=_text(claims.get("preferred_username")),
            email=email if email is None or _is_address(email) else None,
            groups=frozenset(group for group in listed if isinstance(group, str)),
        )

    async def _discover(self, not_older_than: float) -> _Published:
        now = self._clock.monotonic()
        if self._published is not None and now - self._published.at < not_older_than:
            return self._published
        base = self._client.issuer.rstrip("/")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as http:
                about = (await http.get(f"{base}/.well-known/openid-configuration")).raise_for_status().json()
                keys = (await http.get(about["jwks_uri"])).raise_for_status().json()
            if about["issuer"] != self._client.issuer:
                _log.error("issuer_differs", configured=self._client.issuer)
                raise _away()
            ours = [key for key in keys["keys"] if key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use") != "enc"]
            self._published = _Published(
                about["authorization_endpoint"], about["token_endpoint"], KeySet.import_key_set({"keys": ours}), now
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
            raise _away() from error
        return self._published


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_CLAIM_CHARS and value.isprintable() else None


def _is_address(text: str) -> bool:
    name, at, domain = text.rpartition("@")
    return bool(name and at and domain) and not any(part.isspace() for part in text)


def _refused() -> UnauthorizedError:
    return UnauthorizedError(_REFUSED, code="oidc_refused")


def _away() -> UnavailableError:
    return UnavailableError("the other sign-in provider cannot be asked now", code="oidc_unavailable", retry_after=5.0)
