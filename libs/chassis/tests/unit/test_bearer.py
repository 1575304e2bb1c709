"""The tokens that must be taken, and the attacks that must not pass (security.md, tokens)."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt

from pulse_chassis.bearer import (
    Authority,
    Principal,
    generate_signing_key,
    issue_access_token,
    jwks_url,
    public_jwk,
)
from pulse_chassis.clock import ManualClock
from pulse_chassis.errors import UnauthorizedError, UnavailableError

USER, SESSION = uuid4(), uuid4()
KEY = generate_signing_key("key-1")


class Identity:
    """Publishes keys, counts how often it is asked, can be away."""

    def __init__(self, *keys: dict[str, str]) -> None:
        self.keys = [public_jwk(key) for key in keys]
        self.asked = 0
        self.is_away = False

    async def __call__(self) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionError
        return {"keys": self.keys}


def token(key: dict[str, str] = KEY, *, lifetime: timedelta = timedelta(minutes=10)) -> str:
    return issue_access_token(
        key,
        user_id=USER,
        username="anna",
        roles=["operator"],
        permissions=["devices:read"],
        session_id=SESSION,
        now=datetime.now(UTC),
        lifetime=lifetime,
    )


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    plain: dict[str, Any] = {
        "iss": "precisionpulse",
        "aud": "precisionpulse",
        "sub": str(USER),
        "sid": str(SESSION),
        "typ": "access",
        "username": "anna",
        "roles": ["admin"],
        "perms": ["users:write"],
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


def signed(body: dict[str, Any], **headers: Any) -> str:
    key = jwk.construct(dict(KEY), "ES256")
    return str(jwt.encode(body, key, algorithm="ES256", headers={"kid": "key-1"} | headers))


def encode(part: Any) -> bytes:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def forged_hs256(secret: bytes, **headers: Any) -> str:
    head = {"alg": "HS256", "typ": "JWT", "kid": "key-1"} | headers
    signing_input = encode(head) + b"." + encode(claims())
    return (signing_input + b"." + encode(hmac.new(secret, signing_input, hashlib.sha256).digest())).decode()


def public_forms() -> dict[str, bytes]:
    """The public key in each form that an HS256 forger would try as the secret."""
    public = public_jwk(KEY)
    x, y = (int.from_bytes(base64.urlsafe_b64decode(public[name] + "=="), "big") for name in ("x", "y"))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "pem": key.public_bytes(serialization.Encoding.PEM, spki),
        "pem-stripped": key.public_bytes(serialization.Encoding.PEM, spki).strip(),
        "der": key.public_bytes(serialization.Encoding.DER, spki),
        "point": key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
        "jwk": json.dumps(public).encode(),
        "jwk-compact": json.dumps(public, separators=(",", ":")).encode(),
        "jwks": json.dumps({"keys": [public]}).encode(),
        "empty": b"",
    }


@pytest.fixture
def identity() -> Identity:
    return Identity(KEY)


@pytest.fixture
def authority(identity: Identity) -> Authority:
    return Authority(identity)


async def test_a_good_token_gives_its_principal(authority: Authority) -> None:
    principal = await authority.verify(token())
    assert isinstance(principal, Principal)
    assert (principal.user_id, principal.username, principal.session_id) == (USER, "anna", SESSION)
    assert (principal.roles, principal.permissions) == (("operator",), frozenset({"devices:read"}))
    assert timedelta(minutes=9) < principal.expires_at - datetime.now(UTC) <= timedelta(minutes=10)


@pytest.mark.parametrize("form", sorted(public_forms()))
async def test_hs256_forged_with_the_public_key_is_refused(authority: Authority, form: str) -> None:
    await authority.verify(token())
    with pytest.raises(UnauthorizedError):
        await authority.verify(forged_hs256(public_forms()[form]))
    with pytest.raises(UnauthorizedError):
        await authority.verify(forged_hs256(public_forms()[form], alg="ES256"))


async def test_the_forgery_is_a_real_one(authority: Authority) -> None:
    """What makes the case above worth testing: the library itself, left to choose, takes it."""
    der = public_forms()["der"]
    assert jwt.decode(forged_hs256(der), der, audience="precisionpulse")["perms"] == ["users:write"]


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", None, "HS384", "RS256", "ES384", "es256", 7, ["ES256"]]
)
async def test_any_other_algorithm_is_refused(authority: Authority, algorithm: Any) -> None:
    head = encode({"alg": algorithm, "typ": "JWT", "kid": "key-1"})
    genuine = token().encode().split(b".")[2]
    for signature in (b"", b"AAAA", genuine):
        with pytest.raises(UnauthorizedError):
            await authority.verify((head + b"." + encode(claims()) + b"." + signature).decode())


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["precisionpulse", "another"]},
        {"iss": "another"},
        {"iss": None},
        {"typ": "refresh"},
        {"typ": None},
        {"sub": None},
        {"sub": "not-a-uuid"},
        {"sid": None},
        {"iat": None},
        {"perms": "users:write"},
        {"nbf": int(time.time()) + 86_400},
    ],
    ids=str,
)
async def test_a_signed_token_with_a_wrong_claim_is_refused(authority: Authority, change: dict[str, Any]) -> None:
    await authority.verify(signed(claims()))
    with pytest.raises(UnauthorizedError):
        await authority.verify(signed(claims(**change)))


async def test_a_changed_byte_is_refused(authority: Authority) -> None:
    head, body, signature = token().split(".")
    other = encode(claims()).decode()
    for broken in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}."):
        with pytest.raises(UnauthorizedError):
            await authority.verify(broken)


async def test_a_key_that_the_token_brings_along_is_not_believed(authority: Authority) -> None:
    own = generate_signing_key("key-1")
    key = jwk.construct(dict(own), "ES256")
    for headers in ({"jwk": public_jwk(own)}, {"jku": "http://evil/jwks.json"}, {"x5u": "http://evil"}):
        forged = jwt.encode(claims(), key, algorithm="ES256", headers={"kid": "key-1"} | headers)
        with pytest.raises(UnauthorizedError):
            await authority.verify(forged)


async def test_a_critical_extension_that_we_do_not_know_is_refused(authority: Authority) -> None:
    with pytest.raises(UnauthorizedError):
        await authority.verify(signed(claims(), crit=["b64"], b64=False))


@pytest.mark.parametrize(
    "garbage",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.b.c", "\ud800.b.c", "a b.c.d", "x" * 9000, None],
)
async def test_garbage_is_refused(authority: Authority, garbage: str | None) -> None:
    nested = encode(b'{"kid":' + b"[" * 5000).decode()
    with pytest.raises(UnauthorizedError):
        await authority.verify(f"{nested}.e30.AAAA" if garbage is None else garbage)


async def test_an_error_never_repeats_the_token(authority: Authority) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        await authority.verify(forged_hs256(b"canary"))
    assert caught.value.__cause__ is None
    assert "eyJ" not in str(caught.value)


async def test_keys_of_another_kind_in_the_set_are_not_used(identity: Identity) -> None:
    secret = base64.urlsafe_b64encode(b"known to all").decode()
    identity.keys += [
        {"kty": "oct", "k": secret, "kid": "oct-1", "alg": "HS256"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "p384"},
        public_jwk(KEY) | {"kid": "enc", "use": "enc"},
    ]
    authority = Authority(identity)
    await authority.verify(token())
    for key_id in ("oct-1", "p384", "enc"):
        with pytest.raises(UnauthorizedError):
            await authority.verify(forged_hs256(b"known to all", kid=key_id))
        with pytest.raises(UnauthorizedError):
            await authority.verify(signed(claims(), kid=key_id))


async def test_an_unknown_key_id_fetches_the_keys_at_most_once_per_5_s(identity: Identity) -> None:
    clock = ManualClock()
    authority = Authority(identity, clock=clock)
    await authority.verify(token())
    rotated = generate_signing_key("key-2")
    identity.keys.append(public_jwk(rotated))
    for _ in range(3):
        with pytest.raises(UnauthorizedError):
            await authority.verify(token(rotated))
    assert identity.asked == 1
    clock.advance(5)
    results = await asyncio.gather(*(authority.verify(token(rotated)) for _ in range(20)))
    assert len(results) == 20
    assert identity.asked == 2
    await authority.verify(token())


async def test_a_new_key_is_known_at_once_to_a_verifier_that_was_idle_for_long(identity: Identity) -> None:
    clock = ManualClock()
    authority = Authority(identity, clock=clock)
    await authority.verify(token())
    rotated = generate_signing_key("key-2")
    identity.keys.append(public_jwk(rotated))
    clock.advance(900)
    # The keys are old, so they are being fetched in the background already: the token waits for that.
    results = await asyncio.gather(*(authority.verify(token(rotated)) for _ in range(5)))
    assert {result.username for result in results} == {"anna"}
    assert identity.asked == 2


async def test_a_token_of_a_session_that_was_ended_is_refused_also_when_it_was_good_before(identity: Identity) -> None:
    ended: set[UUID] = set()
    authority = Authority(identity, revoked=ended)
    await authority.verify(token())
    ended.add(SESSION)
    for _ in range(2):
        with pytest.raises(UnauthorizedError) as refused:
            await authority.verify(token())
        assert refused.value.code == "session_revoked"


async def test_a_token_of_an_unknown_key_is_503_while_identity_is_away(identity: Identity) -> None:
    clock = ManualClock()
    authority = Authority(identity, clock=clock)
    identity.is_away = True
    with pytest.raises(UnavailableError):
        await authority.verify(token())
    identity.is_away = False
    clock.advance(5)
    assert (await authority.verify(token())).username == "anna"
    identity.is_away = True
    clock.advance(5)
    assert (await authority.verify(token())).username == "anna"
    with pytest.raises(UnavailableError):
        await authority.verify(token(generate_signing_key("key-9")))


async def test_a_withdrawn_key_is_forgotten_after_its_age(identity: Identity) -> None:
    clock = ManualClock()
    authority = Authority(identity, clock=clock)
    await authority.verify(token())
    identity.keys = [public_jwk(generate_signing_key("key-2"))]
    clock.advance(299)
    await authority.verify(token())
    clock.advance(2)
    await authority.verify(token())
    async with asyncio.timeout(5):
        while identity.asked < 2:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(UnauthorizedError):
        await authority.verify(token())


def test_the_published_half_holds_no_secret() -> None:
    assert "d" not in public_jwk(KEY)
    assert "d" in KEY


def test_the_address_of_the_keys() -> None:
    assert jwks_url("http://identity:8001/") == "http://identity:8001/.well-known/jwks.json"


def test_issued_claims_are_those_of_the_contract() -> None:
    issued = jwt.get_unverified_claims(token())
    assert set(issued) == {"iss", "aud", "sub", "sid", "typ", "username", "roles", "perms", "iat", "exp"}
    assert UUID(issued["sub"]) == USER
