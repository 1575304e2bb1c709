"""Signed messages beside access tokens: compact JWS, ES256 and nothing else, under keys named by `kid`.

Guaranteed: a token is verified only with a key that the caller trusts for this purpose, only as ES256, only with the
`typ` that the caller expects, and within a size; a lease is never taken for a command. Keys are EC P-256 JWKs. What
the payload says (audience, time) is its reader's to check. Access tokens are `pulse_chassis.bearer`'s alone.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM: Final = "ES256"
_ALGORITHMS: Final = [ALGORITHM]
_REGISTRY: Final = jws.JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
_REGISTRY.max_payload_length = 2 * 1024 * 1024
_DEFLATE_FROM: Final = 1024
"""Payloads below this many bytes stay as they are: deflating them saves nothing."""
MAX_TOKEN_CHARS: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 2 * 1024 * 1024


class SignatureError(Exception):
    """Not signed by somebody we trust for this; `code` says why: `malformed`, `unknown_key`, `bad_signature`, `wrong_type`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class SigningKey:
    """A private key that signs; `jwk` is a private EC P-256 JWK with `kid`. Raises ValueError for anything else."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        self._key = _ec_key(jwk)
        if not self._key.is_private:
            raise ValueError("this key is no private key")
        self.key_id: str = jwk["kid"]

    @classmethod
    def generate(cls, key_id: str | None = None) -> SigningKey:
        """Return a fresh key; its id is random unless given."""
        made = ECKey.generate_key("P-256", private=True).as_dict(private=True)
        return cls({**made, "kid": key_id or uuid.uuid4().hex})

    def private_jwk(self) -> dict[str, Any]:
        """Return the private JWK, to be kept secret."""
        return {**self._key.as_dict(private=True), "kid": self.key_id}

    def public_jwk(self) -> dict[str, str]:
        """Return the public JWK, with `kid`, `use` and `alg`."""
        public = self._key.as_dict(private=False)
        return {
            **{name: str(public[name]) for name in ("kty", "crv", "x", "y")},
            "kid": self.key_id,
            "use": "sig",
            "alg": ALGORITHM,
        }

    def sign(self, payload: bytes, token_type: str) -> str:
        """Return a compact JWS of this `typ`; a long payload is deflated (`zip`: `DEF`)."""
        header = {"alg": ALGORITHM, "kid": self.key_id, "typ": token_type}
        if len(payload) >= _DEFLATE_FROM:
            header["zip"] = "DEF"
            payload = zlib.compress(payload, level=1)
        return jws.serialize_compact(header, payload, self._key, algorithms=_ALGORITHMS, registry=_REGISTRY)


class TrustedKeys:
    """Public keys that count for one purpose, by `kid`. Raises ValueError for a key that is no EC P-256 JWK."""

    def __init__(self, jwks: Sequence[Mapping[str, Any]]) -> None:
        # The key first: what is no such JWK may have no kid either.
        self._keys = {key_id: key for key, key_id in ((_ec_key(jwk), jwk["kid"]) for jwk in jwks)}

    def open(self, token: str | bytes, token_type: str, *, max_chars: int = MAX_TOKEN_CHARS) -> bytes:
        """Return the payload of a token that one of these keys signed as this `typ`; raises SignatureError."""
        if len(token) > max_chars:
            raise SignatureError("malformed", f"longer than {max_chars} characters")
        try:
            signed = jws.extract_compact(token.encode("ascii") if isinstance(token, str) else token)
            header = signed.headers()
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise SignatureError("malformed", "no compact JWS") from error
        key = self._keys.get(str(header.get("kid")))
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise SignatureError("bad_signature", f"only {ALGORITHM} counts")
        if header.get("typ") != token_type:
            raise SignatureError("wrong_type", f"typ is {str(header.get('typ'))[:64]!r}, expected {token_type!r}")
        if key is None:
            raise SignatureError("unknown_key", "signed by a key that is not trusted here")
        try:
            is_genuine = jws.validate_compact(signed, key, algorithms=_ALGORITHMS, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError) as error:
            raise SignatureError("bad_signature", "the signature does not fit") from error
        if not is_genuine:
            raise SignatureError("bad_signature", "the signature does not fit")
        return _inflated(signed.payload or b"") if header.get("zip") == "DEF" else signed.payload or b""


def _ec_key(jwk: Mapping[str, Any]) -> ECKey:
    try:
        is_fit = jwk["kty"] == "EC" and jwk["crv"] == "P-256" and isinstance(jwk["kid"], str)
        if is_fit:
            return ECKey.import_key(json.loads(json.dumps(dict(jwk))))
    except (JoseError, KeyError, ValueError, TypeError) as error:
        raise ValueError("this is no EC P-256 JWK") from error
    raise ValueError("this is no EC P-256 JWK with a kid")


def _inflated(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(payload, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise SignatureError("malformed", "the payload cannot be inflated") from error
    if inflater.unconsumed_tail:
        raise SignatureError("malformed", f"the payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    return text
