"""What changed at the owners of rows goes into the change log, with the scopes and revocations that follow from it.

Guaranteed: a row's new cursor, the scopes it changes and the revocations it causes are one transaction; pokes go out
after it. Events only say where to look: what is written is what the owner has at that moment, so that events may come
twice, late or never. `compare` finds whatever was missed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.stamps import make_stamp
from pulse_sync.domain.revocations import RevocationDraft, strongest, takes_permissions, user_revocation
from pulse_sync.domain.rows import LogRow, RowKey, role_ids
from pulse_sync.use_cases.ports import ChangeLog, LogWriter, Pokes, Rescoped, StateNews

COMPARE_ROWS: Final = 20_000
"""Rows of one transaction: others wait for it, and it holds their fields in memory."""
_log = get_logger("absorb_changes")


@dataclass(frozen=True, slots=True)
class Hints:
    """Where something may have changed: rows, desktops and users whose scopes to look at again."""

    rows: frozenset[RowKey] = frozenset()
    desktops: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    is_everything: bool = False
    """All scopes."""


@dataclass(slots=True)
class _Written:
    """What one transaction did so far."""

    entities: set[str] = field(default_factory=set)
    revocations: list[RevocationDraft] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    """Whose desktops must be looked at again."""
    news: set[RowKey] = field(default_factory=set)
    """Roles and permissions that came or ended."""
    is_everywhere: bool = False
    count: int = 0


class AbsorbChanges:
    """Follows the owners of rows."""

    def __init__(self, log: ChangeLog, pokes: Pokes, news: StateNews, clock: Clock, kept: timedelta) -> None:
        self._log = log
        self._pokes = pokes
        self._news = news
        self._clock = clock
        self._kept = kept

    async def __call__(self, hints: Hints) -> None:
        """Look where something may have changed. Raises UnavailableError, and then nothing was written."""
        async with self._log.writing() as writer:
            written = _Written(users=set(hints.users), is_everywhere=hints.is_everything)
            await self._take_rows(writer, hints.rows, written)
            cursor = await self._settle(writer, written, set(hints.desktops))
        self._tell(written, cursor)

    async def compare(self) -> int:
        """Compare every version with its owner's and every scope with what it shall be; return how many rows differed.

        Raises UnavailableError; what was written before that stays.
        """
        found = 0
        while True:
            async with self._log.writing() as writer:
                keys = await writer.differing(COMPARE_ROWS)
                written = _Written()
                await self._take_rows(writer, keys, written)
                is_last = len(keys) < COMPARE_ROWS
                written.is_everywhere = is_last
                cursor = await self._settle(writer, written, set())
                if is_last:
                    await writer.forget_before(self._clock.now() - self._kept)
            found += written.count
            self._tell(written, cursor)
            if is_last:
                return found

    async def _take_rows(self, writer: LogWriter, keys: Collection[RowKey], written: _Written) -> None:
        if not keys:
            return
        sources = await writer.source_rows(keys)
        held = await writer.held_rows(keys)
        changed = self._changed(keys, sources, held)
        if not changed:
            return
        losing = [row.id for row in changed if row.entity == "roles" and takes_permissions(held.get(row.key), row)]
        holders = await writer.holders_of(losing) if losing else frozenset()
        await writer.append(changed, self._clock.now())
        written.count += len(changed)
        written.entities |= {row.entity for row in changed}
        for row in changed:
            _note_consequences(row, held.get(row.key), written)
        written.revocations += [RevocationDraft(user_id, "permissions_changed") for user_id in sorted(holders)]

    def _changed(
        self, keys: Collection[RowKey], sources: Mapping[RowKey, LogRow], held: Mapping[RowKey, LogRow]
    ) -> list[LogRow]:
        now = make_stamp(int(self._clock.now().timestamp() * 1000))
        changed = []
        for key in sorted(set(keys)):
            source, old = sources.get(key), held.get(key)
            if source is None:
                if old is not None and not old.is_deleted:
                    changed.append(old.ended(now))
            elif old is None or not source.says_the_same(old):
                changed.append(source)
        return changed

    async def _settle(self, writer: LogWriter, written: _Written, desktops: set[str]) -> int:
        now = self._clock.now()
        if written.users and not written.is_everywhere:
            desktops |= await writer.desktops_of(written.users)
        if written.news and not written.is_everywhere:
            _note_scopes(await writer.rescope_rows(written.news, now), written)
        if written.is_everywhere or desktops:
            _note_scopes(await writer.rescope(None if written.is_everywhere else desktops, now), written)
        await _revoke(writer, written.revocations, now)
        return await writer.head()

    def _tell(self, written: _Written, cursor: int) -> None:
        if not written.entities:
            return
        self._pokes.touch(written.entities, cursor)
        self._news.note_log()
        _log.info("changes_absorbed", rows=written.count, entities=sorted(written.entities), cursor=cursor)


def _note_consequences(row: LogRow, before: LogRow | None, written: _Written) -> None:
    """Note whose leases end and whose scope changes with this row."""
    is_new = before is None or before.is_deleted
    if row.entity == "users":
        reason = user_revocation(before, row)
        if reason is not None:
            written.revocations.append(RevocationDraft(row.id, reason))
        if before is None or is_new or row.is_deleted or role_ids(before) != role_ids(row):
            written.users.add(row.id)
    elif is_new or row.is_deleted:
        written.news.add(row.key)


def _note_scopes(rescoped: Rescoped, written: _Written) -> None:
    written.entities |= rescoped.entities
    written.revocations += [
        RevocationDraft(user_id, "out_of_scope", desktop_id) for desktop_id, user_id in rescoped.left
    ]


async def _revoke(writer: LogWriter, drafts: Sequence[RevocationDraft], at: datetime) -> None:
    if drafts:
        await writer.revoke(strongest(drafts), at)
