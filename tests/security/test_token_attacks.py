"""The JWT attack set of security.md over HTTP, against each service, with the stack's own signing key in hand."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from pydantic import SecretStr

from pulse_chassis.bearer import generate_signing_key, public_jwk
from pulse_identity.storage.secret_box import KeyedSecretBox

DOORS = {
    "identity": ("GET", "/api/profile"),
    "gateway": ("GET", "/api/dashboard/summary"),
    "ingest": ("POST", "/api/telemetry"),
    "sync": ("GET", "/api/sync/desktops"),
    "commands": ("GET", "/api/commands"),
    "alerts": ("GET", "/api/alerts"),
}
Key = dict[str, str]


def part(value: Any) -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")


def public_key(key: Key) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()


def es256(key: Key, head: dict[str, Any], claims: dict[str, Any]) -> str:
    private = ec.derive_private_key(number(key["d"]), ec.SECP256R1())
    message = part(head) + b"." + part(claims)
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    return (message + b"." + part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


def hs256(secret: bytes, head: dict[str, Any], claims: dict[str, Any]) -> str:
    message = part(head) + b"." + part(claims)
    return (message + b"." + part(hmac.new(secret, message, hashlib.sha256).digest())).decode()


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


@pytest.fixture(scope="session")
def key(guarded) -> Key:
    """The private key that identity signs with now, opened with the stack's secret."""

    async def read() -> bytes:
        connection = await asyncpg.connect(guarded.description["database_url"])
        try:
            found = await connection.fetchval(
                "select sealed_private from identity.signing_keys where signs_from <= now()"
                " order by signs_from desc limit 1"
            )
        finally:
            await connection.close()
        return bytes(found)

    opened: Key = json.loads(KeyedSecretBox(SecretStr(guarded.secret("identity_secret"))).unseal(asyncio.run(read())))
    return opened


@pytest.fixture(scope="session")
def claims(guarded) -> dict[str, Any]:
    """The claims of a token that is good: an attack differs from it in one thing only."""
    body = guarded.tokens["admin"].split(".")[1]
    held: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return held


def attacks(key: Key, claims: dict[str, Any]) -> dict[str, str]:
    head = {"alg": "ES256", "typ": "JWT", "kid": key["kid"]}
    public, now = public_key(key), int(time.time())
    spki, other = serialization.PublicFormat.SubjectPublicKeyInfo, generate_signing_key(key["kid"])
    secrets = {
        "pem": public.public_bytes(serialization.Encoding.PEM, spki),
        "pem stripped": public.public_bytes(serialization.Encoding.PEM, spki).strip(),
        "der": public.public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(public_jwk(key)).encode(),
        "x": key["x"].encode(),
        "empty": b"",
    }
    good = es256(key, head, claims)
    signing_input, _, signature = good.rpartition(".")
    made = {
        f"HS256 with the public key as {name}": hs256(s, head | {"alg": "HS256"}, claims) for name, s in secrets.items()
    }
    made |= {f"ES256 said, HS256 done with {name}": hs256(s, head, claims) for name, s in secrets.items()}
    made |= {
        f"alg {alg!r} without a signature": (part(head | {"alg": alg}) + b"." + part(claims) + b".").decode() + end
        for alg in ("none", "None", "NONE", "nOnE", "")
        for end in ("", "AA")
    }
    made |= {
        f"without {name}": es256(key, head, without(claims, name))
        for name in ("exp", "aud", "iss", "sub", "sid", "typ", "iat")
    }
    changed = {
        "expired": {"exp": now - 1, "iat": now - 601},
        "expiry as text": {"exp": "never"},
        "expiry beyond time": {"exp": 10**30},
        "another audience": {"aud": "somebody-else"},
        "another issuer": {"iss": "somebody-else"},
        "a refresh token's type": {"typ": "refresh"},
        "not valid yet": {"nbf": now + 3600},
        "a subject that is no id": {"sub": "admin"},
        "permissions that are no list": {"perms": "users:write"},
    }
    made |= {name: es256(key, head, claims | change) for name, change in changed.items()}
    heads = {
        "an unknown kid": {"kid": "nobody"},
        "a kid that is a path": {"kid": "../../../../dev/null"},
        "a kid that is SQL": {"kid": "x' union select 'AA"},
        "a kid that is no text": {"kid": 7},
        "critical extensions": {"crit": ["exp"]},
        "another algorithm": {"alg": "ES512"},
    }
    made |= {name: es256(key, head | change, claims) for name, change in heads.items()}
    made |= {
        "signed by somebody else under our kid": es256(other, head, claims),
        "a key of its own in the head": es256(other, head | {"jwk": public_jwk(other)}, claims),
        "a key to be fetched": es256(other, head | {"jku": "http://127.0.0.1:9/keys.json"}, claims),
        "no kid": es256(key, without(head, "kid"), claims),
        "a signature of zeros": f"{signing_input}.{part(bytes(64)).decode()}",
        "a DER signature": f"{signing_input}.{part(b'0' + base64.urlsafe_b64decode(signature + '=='))!s}",
        "half a signature": f"{signing_input}.{signature[:43]}",
        "other claims under a good signature": f"{part(head).decode()}.{part(claims | {'username': 'x'}).decode()}.{signature}",
        "a session that never was": "",
        "no token": "..",
        "five parts": f"{good}.a.b",
        "very long": f"{signing_input}.{'A' * 9000}",
    }
    return {name: token for name, token in made.items() if token}


def knock(guarded, service: str, token: str) -> int:
    method, path = DOORS[service]
    answer = guarded.http.request(
        method,
        guarded.url(service) + path,
        headers={"Authorization": f"Bearer {token}"},
        json=[] if method == "POST" else None,
    )
    return int(answer.status_code)


@pytest.mark.parametrize("service", DOORS)
def test_every_forged_or_spoilt_token_is_refused(guarded, service: str, key: Key, claims: dict[str, Any]) -> None:
    head = {"alg": "ES256", "typ": "JWT", "kid": key["kid"]}
    good = es256(key, head, claims)
    assert knock(guarded, service, good) not in {401, 403}, "the token that the attacks are made from must be good"
    made = attacks(key, claims)
    assert len(made) > 40
    passed = {name: status for name, token in made.items() if (status := knock(guarded, service, token)) != 401}
    assert passed == {}
    assert knock(guarded, service, good) not in {401, 403}, "attacks must not shut the honest out"


def test_identity_refuses_a_well_signed_token_of_a_session_that_never_was(
    guarded, key: Key, claims: dict[str, Any]
) -> None:
    head = {"alg": "ES256", "typ": "JWT", "kid": key["kid"]}
    assert knock(guarded, "identity", es256(key, head, claims | {"sid": str(uuid4())})) == 401


@pytest.mark.parametrize("service", DOORS)
def test_a_token_in_the_query_is_not_taken(guarded, service: str) -> None:
    method, path = DOORS[service]
    for name in ("token", "access_token", "authorization"):
        answer = guarded.http.request(method, f"{guarded.url(service)}{path}?{name}={guarded.tokens['admin']}")
        assert answer.status_code in {400, 401}, (name, answer.status_code)
