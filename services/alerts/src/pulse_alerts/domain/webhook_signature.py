"""The signature of a webhook, by the convention of Standard Webhooks.

HMAC-SHA256 over `id.timestamp.body` with the key's bytes, in the header `webhook-signature` as `v1,<base 64>`. The receiver
refuses what is older than some minutes, and knows by `webhook-id` what it has had before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

PREFIX: Final = "whsec_"
LEAST_KEY_BYTES: Final = 24
MOST_KEY_BYTES: Final = 64


def key_bytes(key: str) -> bytes:
    """Return the bytes of a key. Raises ValueError when it is none."""
    if not key.startswith(PREFIX):
        message = f"a key starts with {PREFIX}"
        raise ValueError(message)
    try:
        found = base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        message = f"a key is {PREFIX} and base 64"
        raise ValueError(message) from None
    if not LEAST_KEY_BYTES <= len(found) <= MOST_KEY_BYTES:
        message = f"a key has {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} bytes"
        raise ValueError(message)
    return found


def new_key() -> str:
    """Return a fresh key."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed_headers(key: str, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message; `timestamp` is in Unix seconds."""
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.new(key_bytes(key), signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
