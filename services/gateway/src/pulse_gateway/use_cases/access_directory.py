"""What every connected user may do and see now, kept current while they are connected.

Guaranteed: a change that identity announces is applied within a second while the database answers, and at the latest
with the slow poll when an announcement was lost. While the database does not answer, rights stay as they were, and
revoked sessions still end, because their announcement says all that is needed. REST asks here as well, once a request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnauthorizedError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.principal import Principal
from pulse_contracts.frames import Position
from pulse_contracts.streams import AccessChanged
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.stream_id import StreamId, parse_stream_id
from pulse_gateway.use_cases.ports import PublishedState, UserAccess

POLL_SECONDS: Final = 30.0
GATHER_SECONDS: Final = 0.05
"""Announcements that come together are answered by one query."""
RETRY_SECONDS: Final = 0.5
MAX_REMEMBERED: Final = 10_000
SKEW_MS: Final = 2_000
"""An announcement may be written a little later than what it announces."""

_log = get_logger("access")


@dataclass(slots=True)
class _Known:
    scope: Scope
    sockets: int = 0


class AccessDirectory:
    """Scopes of connected users. `on_change(user_id, has_gained)` and `on_end(user_id)` tell what a change did."""

    def __init__(self, published: PublishedState, clock: Clock) -> None:
        self._published = published
        self._clock = clock
        self._users: dict[UUID, _Known] = {}
        self._stale: set[UUID] = set()
        self._news = asyncio.Event()
        self._changes: deque[tuple[int, AccessChanged]] = deque(maxlen=MAX_REMEMBERED)
        self._registry_changed_ms = 0
        self._revoked: dict[UUID, int] = {}
        self.on_change: Callable[[UUID, bool], None] = lambda _user, _gained: None
        self.on_end: Callable[[UUID], None] = lambda _user: None
        self.on_session_end: Callable[[UUID], None] = lambda _session: None

    async def enter(self, principal: Principal) -> Scope:
        """Return the scope that all sockets of this user share. Raises UnauthorizedError, UnavailableError."""
        self.check_session(principal)
        known = self._users.get(principal.user_id)
        if known is None:
            access = await self._ask(principal.user_id)
            # Another socket of the same user may have entered in the meantime.
            known = self._users.setdefault(
                principal.user_id, _Known(Scope(principal.user_id, access.rights, access.devices))
            )
            # An announcement that came during the query found nobody here; ask once more.
            self.mark(principal.user_id)
        known.sockets += 1
        return known.scope

    def leave(self, user_id: UUID) -> None:
        """Forget a user whose last socket is gone."""
        known = self._users.get(user_id)
        if known is None:
            return
        known.sockets -= 1
        if known.sockets <= 0:
            del self._users[user_id]
            self._stale.discard(user_id)

    async def scope_of(self, principal: Principal) -> Scope:
        """Return a user's scope for one REST request, as it is now."""
        self.check_session(principal)
        access = await self._ask(principal.user_id)
        return Scope(principal.user_id, access.rights, access.devices)

    def check_session(self, principal: Principal) -> None:
        """Raise UnauthorizedError when this session was revoked."""
        if principal.session_id in self._revoked:
            message = "this session was ended"
            raise UnauthorizedError(message, code="session_revoked")

    def note(self, entry_id: StreamId, change: AccessChanged) -> None:
        """Take an announcement of identity."""
        self._changes.append((entry_id.ms, change))
        if change.kind == "session_revoked":
            if change.session_id is not None:
                self._revoked[change.session_id] = entry_id.ms
                self._forget_old_sessions(entry_id.ms)
                self.on_session_end(change.session_id)
            elif change.user_id is not None:
                self.mark(change.user_id)
        elif change.user_id is not None and change.kind == "user":
            self.mark(change.user_id)
        else:
            self.mark_all()

    def note_registry(self, entry_id: StreamId) -> None:
        """Take note that devices came, went, or changed groups or owners: everybody's rights are read again."""
        self._registry_changed_ms = max(self._registry_changed_ms, entry_id.ms)
        self.mark_all()

    def mark(self, user_id: UUID) -> None:
        """Have a user's rights read again."""
        if user_id in self._users:
            self._stale.add(user_id)
            self._news.set()

    def mark_all(self) -> None:
        """Have everybody's rights read again."""
        if self._users:
            self._stale.update(self._users)
            self._news.set()

    def rights_changed(self, scope: Scope, since: Position) -> bool:
        """Tell whether what this user sees may have changed since a position (of any stream: ids are times)."""
        seen = parse_stream_id(since.offset)
        if seen is None:
            return True
        if len(self._changes) == MAX_REMEMBERED and seen.ms < self._changes[0][0]:
            return True
        if not scope.sees_all and self._registry_changed_ms + SKEW_MS >= seen.ms:
            return True
        return any(ms + SKEW_MS >= seen.ms and _concerns(change, scope) for ms, change in reversed(self._changes))

    async def run(self, stop: asyncio.Event) -> None:
        """Keep scopes current until `stop`."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                waiting = asyncio.create_task(self._news.wait())
                await asyncio.wait({stopping, waiting}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    self.mark_all()
                if stop.is_set():
                    return
                self._news.clear()
                await self._refresh()
        finally:
            stopping.cancel()

    async def _refresh(self) -> None:
        await self._clock.sleep(GATHER_SECONDS)
        stale, self._stale = self._stale, set()
        if not stale:
            return
        try:
            loaded = await self._published.load_access(stale)
        except UnavailableError as error:
            _log.warning("rights_not_read", reason=str(error), users=len(stale))
            self._stale |= stale
            await self._clock.sleep(RETRY_SECONDS)
            self._news.set()
            return
        for user_id in stale:
            self._apply(user_id, loaded.get(user_id))

    def _apply(self, user_id: UUID, access: UserAccess | None) -> None:
        known = self._users.get(user_id)
        if known is None:
            return
        if access is None or not access.rights.is_active:
            self.on_end(user_id)
            return
        scope = known.scope
        if scope.rights == access.rights and scope.devices == access.devices:
            return
        gained = bool(access.rights.permissions - scope.rights.permissions)
        scope.rights, scope.devices = access.rights, access.devices
        _log.info("rights_changed", user_id=str(user_id), devices=len(access.devices), has_gained=gained)
        self.on_change(user_id, gained)

    async def _ask(self, user_id: UUID) -> UserAccess:
        wanted: Collection[UUID] = (user_id,)
        access = (await self._published.load_access(wanted)).get(user_id)
        if access is None or not access.rights.is_active:
            message = "this user is not active"
            raise UnauthorizedError(message, code="user_inactive")
        return access

    def _forget_old_sessions(self, now_ms: int) -> None:
        # An access token that was issued before is over by then; the refresh token is identity's business.
        limit = now_ms - 2 * ACCESS_TOKEN_SECONDS * 1000
        while self._revoked and next(iter(self._revoked.values())) < limit:
            del self._revoked[next(iter(self._revoked))]


def _concerns(change: AccessChanged, scope: Scope) -> bool:
    if change.user_id is not None:
        return change.user_id == scope.user_id
    return not (change.kind == "share" and scope.sees_all)
