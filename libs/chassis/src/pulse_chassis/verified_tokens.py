"""Access tokens that passed the full check, remembered until they expire.

A client that asks often pays for one signature check. An entry is found by the SHA-256 of the whole token, so another
signature over the same claims is another token. It ends with the token, and with its key: one that was withdrawn, or
replaced under the same id, vouches for nothing. What was refused is never remembered. At most `MAX_REMEMBERED`
entries; beyond that the one used least recently goes.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulse_chassis.principal import Principal

MAX_REMEMBERED: Final = 4096
"""About 1 KiB each."""


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    expires: float
    key_id: str
    key: object


class VerifiedTokens:
    """The tokens that passed, of one Authority."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._entries: OrderedDict[bytes, _Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, keys: Mapping[str, object]) -> Principal | None:
        """Return who a token speaks for that passed under one of these keys and still holds."""
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.expires <= time.time() or keys.get(entry.key_id) is not entry.key:
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return entry.principal

    def remember(self, token: str, principal: Principal, key_id: str, key: object) -> None:
        """Remember a token that just passed the full check under this key."""
        self._entries[_digest(token)] = _Verified(principal, principal.expires_at.timestamp(), key_id, key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
