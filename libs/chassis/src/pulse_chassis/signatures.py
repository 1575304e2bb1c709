"""Signed messages beside access tokens: compact JWS, ES256 and nothing else, under keys named by `kid`.

Guaranteed: a token is verified only with a key that the caller trusts for this purpose, only as ES256, only with the
`typ` that the caller expects, and within a size; a lease is never taken for a command. Keys are EC P-256 JWKs. What
the payload says (audience, time) is its reader's to check. Access tokens are `pulse_chassis.bearer`'s alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

ALGORITHM: Final = "ES256"
_NUMBER_BYTES: Final = 32
"""Of a coordinate, and of each half of a signature (RFC 7518)."""
_HEADER_CHARS: Final = 1024
"""Beyond it nothing is parsed: JSON nested deep enough would end more than the parsing."""
_DEFLATE_FROM: Final = 1024
"""Payloads below this many bytes stay as they are: deflating them saves nothing."""
MAX_TOKEN_CHARS: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 2 * 1024 * 1024


class SignatureError(Exception):
    """Not signed by somebody we trust for this; `code` says why: `malformed`, `unknown_key`, `bad_signature`, `wrong_type`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Es256(ec.ECDSA):
    """ECDSA with SHA-256 and a random nonce, and nothing of OpenSSL that this does not need.

    The constructor of `ECDSA` loads all of cryptography's older binding (1.3 MB), to ask it about a nonce derived from
    the message, which is not wanted here. So it is not called: these two are all that signing and verifying read.
    """

    def __init__(self) -> None:
        self._hash = SHA256()

    @property
    def algorithm(self) -> SHA256:
        return self._hash

    @property
    def deterministic_signing(self) -> bool:
        return False


_ECDSA: Final = _Es256()


class SigningKey:
    """A private key that signs; `jwk` is a private EC P-256 JWK with `kid`. Raises ValueError for anything else."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        public = _public_key(jwk).public_numbers()
        if "d" not in jwk:
            raise ValueError("this key is no private key")
        try:
            self._key = ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), public).private_key()
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError("this is no EC P-256 JWK: its halves do not belong together") from error
        self.key_id: str = jwk["kid"]

    @classmethod
    def generate(cls, key_id: str | None = None) -> SigningKey:
        """Return a fresh key; its id is random unless given."""
        numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
        jwk = {**_jwk(numbers.public_numbers), "d": _number_text(numbers.private_value)}
        return cls({**jwk, "kid": key_id or uuid.uuid4().hex})

    def private_jwk(self) -> dict[str, Any]:
        """Return the private JWK, to be kept secret."""
        numbers = self._key.private_numbers()
        return {**_jwk(numbers.public_numbers), "d": _number_text(numbers.private_value), "kid": self.key_id}

    def public_jwk(self) -> dict[str, str]:
        """Return the public JWK, with `kid`, `use` and `alg`."""
        public = _jwk(self._key.public_key().public_numbers())
        return {**public, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}

    def sign(self, payload: bytes, token_type: str) -> str:
        """Return a compact JWS of this `typ`; a long payload is deflated (`zip`: `DEF`)."""
        header = {"alg": ALGORITHM, "kid": self.key_id, "typ": token_type}
        if len(payload) >= _DEFLATE_FROM:
            header["zip"] = "DEF"
            payload = zlib.compress(payload, level=1)
        text = json.dumps(header, separators=(",", ":")).encode()
        signed = _base64(text) + b"." + _base64(payload)
        r, s = decode_dss_signature(self._key.sign(signed, _ECDSA))
        signature = r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")
        return (signed + b"." + _base64(signature)).decode("ascii")


class TrustedKeys:
    """Public keys that count for one purpose, by `kid`. Raises ValueError for a key that is no EC P-256 JWK."""

    def __init__(self, jwks: Sequence[Mapping[str, Any]]) -> None:
        # The key first: what is no such JWK may have no kid either.
        self._keys = {key_id: key for key, key_id in ((_public_key(jwk), jwk["kid"]) for jwk in jwks)}

    def open(self, token: str | bytes, token_type: str, *, max_chars: int = MAX_TOKEN_CHARS) -> bytes:
        """Return the payload of a token that one of these keys signed as this `typ`; raises SignatureError."""
        if len(token) > max_chars:
            raise SignatureError("malformed", f"longer than {max_chars} characters")
        try:
            signed, _, signature_text = (token.encode("ascii") if isinstance(token, str) else token).rpartition(b".")
            header_text, payload_text = signed.split(b".")
            if len(header_text) > _HEADER_CHARS:
                raise ValueError("no header of ours is as long")
            header, payload = json.loads(_unbase64(header_text)), _unbase64(payload_text)
            signature = _unbase64(signature_text)
        except ValueError as error:
            raise SignatureError("malformed", "no compact JWS") from error
        if not isinstance(header, dict):
            raise SignatureError("malformed", "no compact JWS")
        key = self._keys.get(str(header.get("kid")))
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise SignatureError("bad_signature", f"only {ALGORITHM} counts")
        if header.get("typ") != token_type:
            raise SignatureError("wrong_type", f"typ is {str(header.get('typ'))[:64]!r}, expected {token_type!r}")
        if key is None:
            raise SignatureError("unknown_key", "signed by a key that is not trusted here")
        _verify(key, signed, signature)
        return _inflated(payload) if header.get("zip") == "DEF" else payload


def _verify(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> None:
    if len(signature) != 2 * _NUMBER_BYTES:
        raise SignatureError("bad_signature", "the signature does not fit")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]))
    try:
        key.verify(encode_dss_signature(r, s), signed, _ECDSA)
    except InvalidSignature as error:
        raise SignatureError("bad_signature", "the signature does not fit") from error


def _public_key(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    """Return the public half of an EC P-256 JWK with a kid. Raises ValueError."""
    try:
        if jwk["kty"] == "EC" and jwk["crv"] == "P-256" and isinstance(jwk["kid"], str):
            numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
            return numbers.public_key()  # refuses what is no point on the curve
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError("this is no EC P-256 JWK") from error
    raise ValueError("this is no EC P-256 JWK with a kid")


def _jwk(numbers: ec.EllipticCurvePublicNumbers) -> dict[str, str]:
    return {"kty": "EC", "crv": "P-256", "x": _number_text(numbers.x), "y": _number_text(numbers.y)}


def _number(text: str) -> int:
    number = _unbase64(text.encode("ascii"))
    if len(number) > _NUMBER_BYTES:
        raise ValueError("a number of a P-256 key has 32 bytes")
    return int.from_bytes(number, "big")


def _number_text(number: int) -> str:
    return _base64(number.to_bytes(_NUMBER_BYTES, "big")).decode("ascii")


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unbase64(text: bytes) -> bytes:
    """Return what this base64url without padding stands for; raises ValueError for any other form of the same bytes."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if _base64(data) != text:
        raise ValueError("no base64url in its one form")
    return data


def _inflated(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(payload, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise SignatureError("malformed", "the payload cannot be inflated") from error
    if inflater.unconsumed_tail:
        raise SignatureError("malformed", f"the payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    return text
