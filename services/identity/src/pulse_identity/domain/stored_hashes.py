"""Reading a stored password hash: Argon2id's own text form (PHC string), `$argon2id$v=19$m=…,t=…,p=…$salt$digest`."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Final

_STORED: Final = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{16,})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class StoredHash:
    """The parts of a hash; `digest` is the raw output of Argon2id."""

    salt: bytes
    time_cost: int
    memory_kib: int
    parallelism: int
    digest: bytes = field(repr=False)


def read_hash(stored: str) -> StoredHash | None:
    """Return the parts of a hash; None for what no password matches (an account of another sign-in provider)."""
    found = _STORED.fullmatch(stored)
    if found is None:
        return None
    memory, passes, lanes, salt, digest = found.groups()
    return StoredHash(_bytes(salt), int(passes), int(memory), int(lanes), _bytes(digest))


def _bytes(unpadded: str) -> bytes:
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
