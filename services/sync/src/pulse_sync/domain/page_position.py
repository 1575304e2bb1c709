"""Where a pull goes on: what `next` and `after` hold. Opaque to desktops; a made-up one only spoils its maker's pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.sync import ENTITY_ORDER

_RANK: Final = {entity: rank for rank, entity in enumerate(ENTITY_ORDER)}


@dataclass(frozen=True, slots=True)
class PagePosition:
    """After which revocation, and after which row in the order of entity and id, the next page begins.

    `revoked_after` stays as the pull began: users revoked since then are sent again, with new leases. What is revoked
    while it lasts, above `revoked_until`, waits for the next pull: the user's row may have gone by already.
    """

    revoked_after: int
    revoked_until: int
    revocations_sent: int
    renews_leases: bool
    entity: str = ENTITY_ORDER[0]
    row_id: str = ""

    def token(self) -> str:
        """Return the text for `next`."""
        revocations = f"{self.revoked_after}.{self.revoked_until}.{self.revocations_sent}"
        return f"{revocations}.{int(self.renews_leases)}.{_RANK[self.entity]}.{self.row_id}"


def read_position(token: str) -> PagePosition | None:
    """Read what `token` made; None for anything else."""
    parts = token.split(".", 5)
    if len(parts) != 6 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[:5]):
        return None
    after, until, sent, renews, rank = map(int, parts[:5])
    if rank >= len(ENTITY_ORDER):
        return None
    return PagePosition(after, until, sent, bool(renews), ENTITY_ORDER[rank], parts[5])
