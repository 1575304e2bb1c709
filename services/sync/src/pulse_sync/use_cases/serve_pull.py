"""Answers a pull with one page: revocations first, then rows in the order in which they refer to each other.

Guaranteed: a page holds nothing of a row outside the desktop's scope but that it left; a lease is signed with the
newest revocation that was known before the rights in it were read, so a later revocation ends it; a checksum is given
only when the log stood still since the pull began, so it never says drift where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.sync import ENTITY_ORDER, LEASE_TYPE, MAX_PAGE_ROWS, Lease, Pull, Revocation, digest_sum
from pulse_sync.domain.page import MAX_PAGE_REVOCATIONS, cut_page, may_sign_in, row_on_page
from pulse_sync.domain.page_position import PagePosition, read_position
from pulse_sync.domain.rows import DueRow, role_ids
from pulse_sync.use_cases.ports import DesktopBook, DueQuestion, ScopeReader, Standing, Verifiers

Sign = Callable[[bytes, str], str]
"""Signs a payload as a compact JWS of a type."""
EMPTY_SUM: Final = (0, digest_sum([]))
_log = get_logger("serve_pull")


class ServePull:
    """Makes pages. `sign` is for leases; the page itself is signed and sealed by whoever sends it."""

    def __init__(
        self, scopes: ScopeReader, verifiers: Verifiers, book: DesktopBook, sign: Sign, clock: Clock, lease: timedelta
    ) -> None:
        self._scopes = scopes
        self._verifiers = verifiers
        self._book = book
        self._sign = sign
        self._clock = clock
        self._lease = lease

    async def __call__(self, device_id: str, standing: Standing, pull: Pull) -> dict[str, Any]:
        """Return the page, or the refusal, without its envelope. Raises UnavailableError."""
        position = _position(pull, standing)
        refusal = None if position is None else _refusal(pull, standing)
        if position is None or refusal == "bad_message":
            return {"type": "refused", "req": pull.req, "code": "bad_message", "detail": "no such page"}
        if refusal is not None:
            await self._book.note_refusal(device_id, refusal, self._clock.now())
            return {"type": "refused", "req": pull.req, "code": refusal, "detail": "ask for a snapshot"}
        return await self._page(device_id, standing, pull, position)

    async def forced(self, device_id: str) -> dict[str, Any]:
        """Return a page that nobody asked for: it has no rows, and a checksum to compare with."""
        checksum = await self._scopes.checksum(device_id)
        return {
            "type": "page",
            "req": "force",
            "mode": "delta",
            "checkpoint": checksum.head,
            "head": checksum.head,
            "checksum": {entity: checksum.entities.get(entity, EMPTY_SUM) for entity in ENTITY_ORDER},
        }

    async def _page(self, device_id: str, standing: Standing, pull: Pull, position: PagePosition) -> dict[str, Any]:
        checkpoint = standing.head if pull.checkpoint is None else pull.checkpoint
        page: dict[str, Any] = {
            "type": "page",
            "req": pull.req,
            "mode": pull.mode,
            "checkpoint": checkpoint,
            "head": standing.head,
        }
        revocations, is_rest = await self._revocations(device_id, position)
        page["revocations"] = [revocation.model_dump() for revocation in revocations]
        if is_rest:
            page["next"] = replace(position, revocations_sent=revocations[-1].no).token()
            return page
        position = replace(position, revocations_sent=position.revoked_until)
        due = await self._due(device_id, standing, pull, position)
        taken = cut_page(due)
        page["rows"] = [row_on_page(row) for row in taken]
        await self._add_access(device_id, standing, taken, page)
        if len(taken) < len(due):
            last = taken[-1].row
            page["next"] = replace(position, entity=last.entity, row_id=last.id).token()
        else:
            await self._add_checksum(device_id, checkpoint, page)
        return page

    async def _revocations(self, device_id: str, position: PagePosition) -> tuple[Sequence[Revocation], bool]:
        """Return those of this page, and whether there are more of them."""
        if position.revocations_sent >= position.revoked_until:
            return (), False
        found = await self._scopes.revocations(device_id, position, MAX_PAGE_REVOCATIONS + 1)
        return found[:MAX_PAGE_REVOCATIONS], len(found) > MAX_PAGE_REVOCATIONS

    async def _due(self, device_id: str, standing: Standing, pull: Pull, position: PagePosition) -> Sequence[DueRow]:
        is_snapshot = pull.mode == "snapshot"
        is_idle = pull.since == standing.head and not position.renews_leases
        if not is_snapshot and is_idle and position.revoked_after >= position.revoked_until:
            return ()
        question = DueQuestion(
            since=0 if is_snapshot else pull.since,
            gap=standing.head - (0 if is_snapshot else pull.since),
            # Who holds nothing needs to hear of no end either.
            is_live_only=is_snapshot or pull.since == 0,
            position=position,
            limit=MAX_PAGE_ROWS + 1,
        )
        return await self._scopes.due_rows(device_id, question)

    async def _add_access(
        self, device_id: str, standing: Standing, taken: Sequence[DueRow], page: dict[str, Any]
    ) -> None:
        """Add how the users of this page sign in; of one whose verifier cannot be had now, nothing."""
        users = {due.row.id: due.row for due in taken if may_sign_in(due)}
        if not users:
            return
        rights = await self._scopes.role_rights({role for user in users.values() for role in role_ids(user)})
        desktop = standing.desktop
        versions = {row.id: row.version for row in users.values()}
        known = {} if desktop is None else await self._verifiers.verifiers(desktop, versions)
        now = self._clock.now()
        leases, verifiers = {}, {}
        for user_id, row in users.items():
            if user_id not in known:
                continue
            verifier = known[user_id]
            if verifier is not None:
                verifiers[user_id] = verifier.model_dump()
            held = [rights[role] for role in sorted(role_ids(row)) if role in rights]
            lease = Lease(
                sub=user_id,
                aud=device_id,
                username=str(row.fields.get("username", "")),
                roles=sorted(role.name for role in held),
                permissions=sorted({permission for role in held for permission in role.permissions}),
                iat=_seconds(now),
                exp=_seconds(now + self._lease),
                rev=standing.revocation_no,
            )
            leases[user_id] = self._sign(lease.model_dump_json().encode(), LEASE_TYPE)
        if len(leases) < len(users):
            _log.warning("leases_withheld", desktop=device_id, users=len(users) - len(leases))
        page["leases"], page["verifiers"] = leases, verifiers

    async def _add_checksum(self, device_id: str, checkpoint: int, page: dict[str, Any]) -> None:
        checksum = await self._scopes.checksum(device_id)
        page["head"] = checksum.head
        if checksum.head == checkpoint:
            page["checksum"] = {entity: checksum.entities.get(entity, EMPTY_SUM) for entity in ENTITY_ORDER}


def _position(pull: Pull, standing: Standing) -> PagePosition | None:
    if pull.after is not None:
        return read_position(pull.after)
    # Above ours: our log was restored from a backup, and what it numbers from now on must not be missed.
    known = pull.revocation_no if pull.revocation_no <= standing.revocation_no else 0
    return PagePosition(known, standing.revocation_no, known, pull.renew_leases)


def _refusal(pull: Pull, standing: Standing) -> str | None:
    is_next_page = pull.after is not None
    if is_next_page != (pull.checkpoint is not None):
        return "bad_message"
    if pull.mode == "delta" and (pull.since > standing.head or 0 < pull.since < standing.horizon):
        return "snapshot_needed"
    if pull.checkpoint is not None and pull.checkpoint > standing.head:
        return "snapshot_needed"
    return None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
