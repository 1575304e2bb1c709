"""When a change takes something away from somebody, so that leases issued before it are void. Pure.

A change that was undone before sync looked still counts: a row's `revoked` tells in which version each key was last
revoked, and everything above the version that the log held is news.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pulse_sync.domain.rows import LogRow, role_ids

Reason = Literal["disabled", "deleted", "out_of_scope", "password_changed", "permissions_changed"]
_ORDER: Final[tuple[Reason, ...]] = (
    "deleted",
    "disabled",
    "password_changed",
    "permissions_changed",
    "out_of_scope",
)


@dataclass(frozen=True, slots=True)
class RevocationDraft:
    """Somebody's leases end: on one desktop, or (None) on every one."""

    user_id: str
    reason: Reason
    desktop_id: str | None = None


def user_revocation(before: LogRow | None, after: LogRow) -> Reason | None:
    """Say why a user's leases end with this change of the user's row; None when they stay good."""
    if before is None or before.is_deleted:
        return None
    if after.is_deleted:
        return "deleted"
    news = _revoked_since(before, after)
    if "is_active" in news or (before.fields.get("is_active") and not after.fields.get("is_active")):
        return "disabled"
    if "password" in news:
        return "password_changed"
    loses_role = any(key.startswith("roles:") for key in news) or role_ids(before) - role_ids(after)
    return "permissions_changed" if loses_role else None


def takes_permissions(before: LogRow | None, after: LogRow) -> bool:
    """Whether those who hold this role lose a permission with this change of the role's row."""
    if before is None or before.is_deleted:
        return False
    if after.is_deleted:
        return True
    lost = set(before.fields.get("permissions") or ()) - set(after.fields.get("permissions") or ())
    return bool(lost) or any(key.startswith("permissions:") for key in _revoked_since(before, after))


def strongest(drafts: Iterable[RevocationDraft]) -> list[RevocationDraft]:
    """Return one draft for each user and desktop, that with the weightiest reason, in the order in which they came."""
    chosen: dict[tuple[str, str | None], RevocationDraft] = {}
    for draft in drafts:
        place = (draft.user_id, draft.desktop_id)
        held = chosen.get(place)
        if held is None or _ORDER.index(draft.reason) < _ORDER.index(held.reason):
            chosen[place] = draft
    everywhere = {draft.user_id for draft in chosen.values() if draft.desktop_id is None}
    return [draft for draft in chosen.values() if draft.desktop_id is None or draft.user_id not in everywhere]


def _revoked_since(before: LogRow, after: LogRow) -> set[str]:
    return {key for key, version in after.revoked.items() if version > before.version}
