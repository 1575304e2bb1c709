"""The change log and its scopes in memory: what PostgreSQL does in production, for tests of the use cases.

Passes the same contract suite as the adapters for PostgreSQL. `OwnedData` is what identity would publish; a transaction
that raises leaves nothing behind. Nothing here survives the process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime

from pulse_contracts.configuration import ConfigScope, parse_config_id
from pulse_contracts.sync import ENTITY_ORDER, Revocation, digest_sum
from pulse_sync.domain.page_position import PagePosition
from pulse_sync.domain.revocations import RevocationDraft
from pulse_sync.domain.rows import DueRow, LogRow, RowKey, role_ids
from pulse_sync.use_cases.ports import Checksum, Desktop, DueQuestion, LogWriter, Rescoped, RoleRights, Standing

_RANK = {entity: rank for rank, entity in enumerate(ENTITY_ORDER)}
ScopeKey = tuple[str, str, str]
"""Desktop, entity, id."""


@dataclass(slots=True)
class OwnedData:
    """What the owners of rows and devices have now."""

    rows: dict[RowKey, LogRow] = field(default_factory=dict)
    desktops: dict[str, tuple[Desktop, frozenset[str]]] = field(default_factory=dict)
    """With the groups that each is in."""
    access: set[tuple[str, str]] = field(default_factory=set)
    """User and device."""


@dataclass(frozen=True, slots=True)
class _Entry:
    row: LogRow
    cursor: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class _Member:
    cursor: int
    is_member: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class _Revoked:
    no: int
    draft: RevocationDraft
    at: datetime


@dataclass(slots=True)
class _State:
    head: int = 0
    horizon: int = 0
    revocation_no: int = 0
    entries: dict[RowKey, _Entry] = field(default_factory=dict)
    members: dict[ScopeKey, _Member] = field(default_factory=dict)
    revocations: list[_Revoked] = field(default_factory=list)
    desktops: set[str] = field(default_factory=set)

    def copied(self) -> _State:
        """Return a state that can be changed without this one."""
        fresh = copy(self)
        fresh.entries, fresh.members = dict(self.entries), dict(self.members)
        fresh.revocations, fresh.desktops = list(self.revocations), set(self.desktops)
        return fresh


class InMemoryLog:
    """A `ChangeLog` and `ScopeReader`."""

    def __init__(self, owned: OwnedData) -> None:
        self._owned = owned
        self._state = _State()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[LogWriter]:
        """Give the log to one writer at a time."""
        async with self._turn:
            state = self._state.copied()
            yield InMemoryLogWriter(self._owned, state)
            self._state = state

    async def standing(self, device_id: str) -> Standing:
        """Return where the log is and who asks."""
        state = self._state
        found = self._owned.desktops.get(device_id)
        desktop = None if found is None else found[0]
        return Standing(state.head, state.horizon, state.revocation_no, desktop, device_id in state.desktops)

    async def revocations(self, device_id: str, position: PagePosition, limit: int) -> Sequence[Revocation]:
        """Return the newest revocation of each user who is or was in this scope."""
        newest: dict[str, _Revoked] = {}
        for revoked in self._revoked(device_id, position):
            if (device_id, "users", revoked.draft.user_id) in self._state.members:
                newest[revoked.draft.user_id] = revoked
        found = sorted((one for one in newest.values() if one.no > position.revocations_sent), key=lambda one: one.no)
        return [
            Revocation(no=one.no, user_id=one.draft.user_id, reason=one.draft.reason, at=int(one.at.timestamp() * 1000))
            for one in found[:limit]
        ]

    async def due_rows(self, device_id: str, question: DueQuestion) -> Sequence[DueRow]:
        """Return rows after the question's position."""
        place = question.position
        revoked = {one.draft.user_id for one in self._revoked(device_id, place)}
        begin = (_RANK[place.entity], place.row_id)
        found = []
        for (desktop_id, entity, row_id), member in self._state.members.items():
            entry = self._state.entries.get((entity, row_id))
            if desktop_id != device_id or entry is None or (_RANK[entity], row_id) <= begin:
                continue
            size = len(json.dumps(dict(entry.row.fields), ensure_ascii=False).encode())
            due = DueRow(entry.row, member.is_member, size)
            is_new = member.cursor > question.since or (member.is_member and entry.cursor > question.since)
            is_again = entity == "users" and member.is_member and (place.renews_leases or row_id in revoked)
            if (is_new or is_again) and not (question.is_live_only and due.is_gone):
                found.append(due)
        return sorted(found, key=lambda due: (_RANK[due.row.entity], due.row.id))[: question.limit]

    async def known_rows(self, device_id: str, keys: Collection[RowKey]) -> Mapping[RowKey, bool]:
        """Return those of these rows that are in the scope (True), or were in it and have ended (False)."""
        found: dict[RowKey, bool] = {}
        for key in keys:
            member, entry = self._state.members.get((device_id, *key)), self._state.entries.get(key)
            if member is not None and entry is not None and (member.is_member or entry.row.is_deleted):
                found[key] = member.is_member and not entry.row.is_deleted
        return found

    async def role_rights(self, role_ids: Collection[str]) -> Mapping[str, RoleRights]:
        """Return what these roles allow."""
        entries = {role_id: self._state.entries.get(("roles", role_id)) for role_id in role_ids}
        return {
            role_id: RoleRights(str(entry.row.fields.get("name", "")), tuple(entry.row.fields.get("permissions", ())))
            for role_id, entry in entries.items()
            if entry is not None and not entry.row.is_deleted
        }

    async def checksum(self, device_id: str) -> Checksum:
        """Return the checksum of this desktop's scope."""
        digests: dict[str, list[int]] = {}
        for (desktop_id, entity, row_id), member in self._state.members.items():
            entry = self._state.entries.get((entity, row_id))
            if desktop_id == device_id and member.is_member and entry is not None and not entry.row.is_deleted:
                digests.setdefault(entity, []).append(entry.row.digest)
        sums = {entity: (len(found), digest_sum(found)) for entity, found in digests.items()}
        return Checksum(self._state.head, sums)

    def _revoked(self, device_id: str, position: PagePosition) -> list[_Revoked]:
        return [
            one
            for one in self._state.revocations
            if position.revoked_after < one.no <= position.revoked_until and one.draft.desktop_id in {None, device_id}
        ]


class InMemoryLogWriter:
    """A `LogWriter` on a state that becomes the log's at the end."""

    def __init__(self, owned: OwnedData, state: _State) -> None:
        self._owned = owned
        self._state = state

    async def source_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what the owners have of these rows."""
        return {key: self._owned.rows[key] for key in keys if key in self._owned.rows}

    async def held_rows(self, keys: Collection[RowKey]) -> Mapping[RowKey, LogRow]:
        """Return what the log holds of these rows."""
        return {key: self._state.entries[key].row for key in keys if key in self._state.entries}

    async def differing(self, limit: int) -> Sequence[RowKey]:
        """Return rows of which the log holds something else than their owner has; config is written with its owner."""
        keys = {key for key in (*self._owned.rows, *self._state.entries) if key[0] != "config"}
        found = [key for key in keys if self._differs(key)]
        return sorted(found, key=lambda key: (_RANK[key[0]], key[1]))[:limit]

    async def append(self, rows: Sequence[LogRow], at: datetime) -> int:
        """Write rows under the next cursors."""
        for row in rows:
            self._state.head += 1
            fields = json.loads(json.dumps(dict(row.fields)))
            kept = replace(row, fields=fields, revoked={})
            self._state.entries[row.key] = _Entry(kept, self._state.head, at)
        return self._state.head

    async def holders_of(self, role_ids_lost: Collection[str]) -> frozenset[str]:
        """Return the users who hold any of these roles."""
        lost = set(role_ids_lost)
        return frozenset(
            key[1]
            for key, entry in self._state.entries.items()
            if key[0] == "users" and not entry.row.is_deleted and role_ids(entry.row) & lost
        )

    async def desktops_of(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return the desktops in whose scope these users are, or shall be."""
        users = set(user_ids)
        have = {
            desktop_id
            for (desktop_id, entity, row_id), member in self._state.members.items()
            if entity == "users" and row_id in users and member.is_member
        }
        return frozenset(have | {device for user, device in self._owned.access if user in users})

    async def rescope(self, desktops: Collection[str] | None, at: datetime) -> Rescoped:
        """Bring scopes to what they shall be."""
        state = self._state
        looked_at = set(self._owned.desktops) | state.desktops if desktops is None else set(desktops)
        gone = sorted(desktop for desktop in state.desktops & looked_at if desktop not in self._owned.desktops)
        state.desktops = (state.desktops - set(gone)) | (looked_at & set(self._owned.desktops))
        for key in [key for key in state.members if key[0] in gone]:
            del state.members[key]
        wanted = {key for desktop in looked_at & set(self._owned.desktops) for key in self._wanted(desktop)}
        have = {key for key, member in state.members.items() if member.is_member and key[0] in looked_at}
        moved = self._move(wanted, have, at)
        left = [(desktop, row_id) for desktop, entity, row_id in moved if entity == "users"]
        return Rescoped(
            entities=frozenset(entity for _, entity, _ in moved),
            left=tuple(pair for pair in left if (pair[0], "users", pair[1]) not in wanted),
            gone=tuple(gone),
        )

    async def rescope_rows(self, keys: Collection[RowKey], at: datetime) -> Rescoped:
        """Bring these roles and permissions into and out of every scope."""
        desktops = self._state.desktops & set(self._owned.desktops)
        wanted = {key for desktop in desktops for key in self._wanted(desktop) if key[1:] in set(keys)}
        have = {key for key, member in self._state.members.items() if member.is_member and key[1:] in set(keys)}
        return Rescoped(entities=frozenset(entity for _, entity, _ in self._move(wanted, have, at)))

    async def revoke(self, drafts: Sequence[RevocationDraft], at: datetime) -> None:
        """Number these revocations."""
        for draft in drafts:
            self._state.revocation_no += 1
            self._state.revocations.append(_Revoked(self._state.revocation_no, draft, at))

    async def forget_before(self, at: datetime) -> None:
        """Forget what is older."""
        state = self._state
        left = {key: m for key, m in state.members.items() if not m.is_member and m.changed_at < at}
        for key in left:
            del state.members[key]
        kept = {(entity, row_id) for _, entity, row_id in state.members}
        ended = {
            key: entry
            for key, entry in state.entries.items()
            if entry.row.is_deleted and entry.changed_at < at and key not in kept
        }
        for ended_key in ended:
            del state.entries[ended_key]
        cursors = [member.cursor for member in left.values()] + [entry.cursor for entry in ended.values()]
        state.horizon = max([state.horizon, *cursors])
        state.revocations = [one for one in state.revocations if one.at >= at]

    async def head(self) -> int:
        """Return the newest cursor."""
        return self._state.head

    def _move(self, wanted: set[ScopeKey], have: set[ScopeKey], at: datetime) -> list[ScopeKey]:
        moved = sorted(wanted ^ have)
        if moved:
            self._state.head += 1
        for key in moved:
            self._state.members[key] = _Member(self._state.head, key in wanted, at)
        return moved

    def _differs(self, key: RowKey) -> bool:
        source, entry = self._owned.rows.get(key), self._state.entries.get(key)
        if source is None:
            return entry is not None and not entry.row.is_deleted
        return entry is None or not source.says_the_same(entry.row)

    def _wanted(self, desktop_id: str) -> set[ScopeKey]:
        live = {key: entry.row for key, entry in self._state.entries.items() if not entry.row.is_deleted}
        users = [live["users", user] for user, at in self._owned.access if at == desktop_id and ("users", user) in live]
        keys = {("users", user.id) for user in users}
        desktop, groups = self._owned.desktops[desktop_id]
        held = {role for user in users for role in role_ids(user)}
        keys |= {key for key in live if key[0] == "roles" and (desktop.is_workstation or key[1] in held)}
        keys |= {key for key in live if key[0] == "permissions"}
        keys |= {key for key in live if key[0] == "config" and _concerns(key[1], desktop_id, groups)}
        return {(desktop_id, entity, row_id) for entity, row_id in keys}


def _concerns(row_id: str, desktop_id: str, groups: Collection[str]) -> bool:
    address = parse_config_id(row_id)
    if address is None:
        return False
    match address.scope:
        case ConfigScope.ALL:
            return True
        case ConfigScope.GROUP:
            return address.target in groups
        case ConfigScope.DEVICE:
            return address.target == desktop_id
