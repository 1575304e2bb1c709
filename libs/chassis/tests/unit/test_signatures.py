"""Nothing counts but ES256, by a trusted key, for the expected purpose, within the size."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib

import pytest

from pulse_chassis import signatures
from pulse_chassis.signatures import MAX_PAYLOAD_BYTES, SignatureError, SigningKey, TrustedKeys

KIND = "pulse-test+jws"
PAYLOAD = b'{"a":1}'


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate("ours")


@pytest.fixture(scope="module")
def trusted(key):
    return TrustedKeys([key.public_jwk()])


def refused(trusted, token, kind=KIND, **options):
    with pytest.raises(SignatureError) as caught:
        trusted.open(token, kind, **options)
    return caught.value.code


@pytest.mark.parametrize("payload", [b"", PAYLOAD, b"x" * 100_000])
def test_what_was_signed_comes_back(key, trusted, payload):
    token = key.sign(payload, KIND)
    assert trusted.open(token, KIND) == payload
    assert trusted.open(token.encode(), KIND) == payload


def test_a_long_payload_is_deflated(key):
    assert len(key.sign(b"x" * 100_000, KIND)) < 2_000


def test_another_purpose_is_refused(key, trusted):
    assert refused(trusted, key.sign(PAYLOAD, "pulse-lease+jws")) == "wrong_type"


def test_another_key_is_refused_also_under_our_name(trusted):
    assert refused(trusted, SigningKey.generate("theirs").sign(PAYLOAD, KIND)) == "unknown_key"
    assert refused(trusted, SigningKey.generate("ours").sign(PAYLOAD, KIND)) == "bad_signature"


def test_a_key_in_the_header_is_not_asked(key, trusted):
    evil = SigningKey.generate("evil")
    _, payload, _ = evil.sign(PAYLOAD, KIND).split(".")
    header = {"alg": "ES256", "kid": "ours", "typ": KIND, "jwk": evil.public_jwk()}
    forged = f"{b64(json.dumps(header).encode())}.{payload}.{evil.sign(PAYLOAD, KIND).split('.')[2]}"
    assert refused(trusted, forged) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "ES384", "RS256", "", None])
def test_no_other_algorithm_counts(key, trusted, algorithm):
    header = b64(json.dumps({"alg": algorithm, "kid": "ours", "typ": KIND}).encode())
    signing_input = f"{header}.{b64(PAYLOAD)}"
    # As a library would take it that confuses the public key with a shared secret.
    secret = json.dumps(key.public_jwk()).encode()
    mac = b64(hmac.digest(secret, signing_input.encode(), hashlib.sha256))
    for signature in ("", mac):
        assert refused(trusted, f"{signing_input}.{signature}") in {"bad_signature", "malformed"}


def test_critical_extensions_are_refused(key, trusted):
    header = {"alg": "ES256", "kid": "ours", "typ": KIND, "crit": ["b64"], "b64": False}
    _, payload, signature = key.sign(PAYLOAD, KIND).split(".")
    assert refused(trusted, f"{b64(json.dumps(header).encode())}.{payload}.{signature}") in {
        "bad_signature",
        "malformed",
    }


def test_every_single_character_counts(key, trusted):
    header, payload, signature = key.sign(PAYLOAD, KIND).split(".")
    changed = b64(PAYLOAD.replace(b"1", b"2"))
    assert refused(trusted, f"{header}.{changed}.{signature}") == "bad_signature"
    raw = bytearray(unb64(signature))
    raw[-1] ^= 1
    assert refused(trusted, f"{header}.{payload}.{b64(bytes(raw))}") == "bad_signature"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c.d", "ä.b.c", "e30.e30.", "bnVsbA.e30.AA", "W10.e30.AA", b"\xff.\xfe.\x00"]
)
def test_what_is_no_token_is_refused(trusted, token):
    assert refused(trusted, token) in {"malformed", "bad_signature"}


def test_a_signature_has_one_form(key, trusted):
    signed, _, signature = key.sign(PAYLOAD, KIND).rpartition(".")
    raw = unb64(signature)
    r = int.from_bytes(raw[:32], "big").to_bytes(33, "big")
    for other in (raw[:-1], raw + b"\0", r + raw[32:], b"", bytes(64), b"\xff" * 64):
        assert refused(trusted, f"{signed}.{b64(other)}") == "bad_signature"
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    alike = signature[:-1] + last[last.index(signature[-1]) + 1]  # the same bytes, with spare bits set
    assert unb64(alike) == raw
    spaced = f"{signature[:9]}\n{signature[9:]}"
    standard = signature.replace("-", "+").replace("_", "/") + "+"
    for form in (alike, signature + "==", spaced, standard):
        assert refused(trusted, f"{signed}.{form}") == "malformed"


def test_a_header_is_small(key, trusted):
    _, payload, signature = key.sign(PAYLOAD, KIND).split(".")
    for header in (b"[" * 200_000, json.dumps({"alg": "ES256", "kid": "ours", "typ": KIND, "x": "y" * 2_000}).encode()):
        assert refused(trusted, f"{b64(header)}.{payload}.{signature}") == "malformed"


def test_a_bomb_does_not_go_off(key, trusted, monkeypatch):
    bomb = zlib.compress(b"\0" * (20 * MAX_PAYLOAD_BYTES), 9)
    monkeypatch.setattr(signatures.zlib, "compress", lambda _payload, level: bomb)
    token = key.sign(b"x" * 2_000, KIND)
    assert len(token) < 100_000
    assert refused(trusted, token) == "malformed"


def test_a_payload_that_cannot_be_inflated_is_refused(key, trusted, monkeypatch):
    monkeypatch.setattr(signatures.zlib, "compress", lambda _payload, level: b"not deflated")
    assert refused(trusted, key.sign(b"x" * 2_000, KIND)) == "malformed"


def test_an_oversized_token_is_not_even_looked_at(key, trusted):
    token = key.sign(PAYLOAD, KIND)
    assert trusted.open(token, KIND, max_chars=len(token)) == PAYLOAD
    assert refused(trusted, token, max_chars=len(token) - 1) == "malformed"


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "k"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"},
        {"kty": "EC", "crv": "P-256", "kid": "k"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k"},
    ],
)
def test_only_points_on_p256_are_keys(jwk):
    with pytest.raises(ValueError, match="EC P-256"):
        TrustedKeys([jwk])


@pytest.mark.parametrize("d", ["AA", "AQ", "", 5, "ä", "x" * 60])
def test_the_halves_of_a_key_belong_together(key, d):
    with pytest.raises(ValueError, match="EC P-256"):
        SigningKey({**key.private_jwk(), "d": d})


def test_a_public_key_does_not_sign_and_a_published_one_holds_no_secret(key):
    assert "d" not in key.public_jwk()
    with pytest.raises(ValueError, match="private"):
        SigningKey(key.public_jwk())
    assert SigningKey(key.private_jwk()).key_id == "ours"
