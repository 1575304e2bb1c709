"""How a device's API key is recognised without being kept: the prefix finds it, the digest proves it.

Identity stores and publishes both (`identity.device_key`); whoever checks a key compares digests in constant time.
"""

from __future__ import annotations

import hashlib
from typing import Final

KEY_PREFIX_CHARS: Final = 12
"""The key's first characters are no secret: they are shown beside the device and find the row."""


def key_prefix(api_key: str) -> str:
    """Return the public part of an API key."""
    return api_key[:KEY_PREFIX_CHARS]


def key_sha256(api_key: str) -> bytes:
    """Return the SHA-256 of the whole API key: keys are random, so nothing slower is needed."""
    return hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).digest()
