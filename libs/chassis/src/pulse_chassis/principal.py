"""Who is asking, as a plain value: what use cases need to know of a signed-in user, without any web framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user, as the access token says."""

    user_id: UUID
    username: str
    roles: tuple[str, ...]
    permissions: frozenset[str]
    session_id: UUID
    expires_at: datetime
