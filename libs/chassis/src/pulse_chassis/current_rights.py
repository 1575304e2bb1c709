"""What a token's holder may do now, where the token may claim more: for services that verify tokens offline.

A token says what held when it was issued, ten minutes ago at most. Identity announces on `pulse:access` whose rights
changed (`user`), or that a role did (`role`: anybody's); from then on, for as long as tokens from before can live, the
roles and permissions of these users are read from the view `identity.user_authority` and not from their tokens. So a
permission that was taken away is gone, and one that was given is there, within a second. The answer is kept until the
next announcement that concerns the user: one query a user and change, however many requests ask at once.

One line in a composition root gives it to every guarded route, and to whoever else asks the `Authority`:

    revoked = RevokedSessions(redis)
    authority = Authority(url, revoked=revoked, rights=CurrentRights(revoked, published_rights(database)))

where the role of `database` is a member of `pulse_published`, and `revoked.worker()` runs. While the database does not
answer, tokens that nothing was announced about stay good, and the others are refused with 503. While Redis is away
nothing is learned; when its streams were lost, everybody's rights are read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import sqlalchemy

from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.database import Database
from pulse_chassis.errors import UnauthorizedError
from pulse_chassis.principal import Principal
from pulse_chassis.revocations import RevokedSessions
from pulse_contracts.streams import AccessChanged
from pulse_contracts.tokens import ACCESS_TOKEN_SECONDS

DOUBT_SECONDS: Final = 2.0 * ACCESS_TOKEN_SECONDS
"""No token from before an announcement lives as long after it."""
MAX_USERS: Final = 10_000
"""So many changed users, and so many answers, are remembered; beyond that all users are read anew."""
_AUTHORITY: Final = sqlalchemy.text(
    "select is_active, roles, permissions from identity.user_authority where user_id = :user_id"
)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do."""

    is_active: bool
    roles: tuple[str, ...]
    permissions: frozenset[str]


RightsProvider = Callable[[UUID], Awaitable[Rights | None]]
"""Gives what a user may do at this moment, None for nobody; raises UnavailableError when it cannot."""


def published_rights(database: Database) -> RightsProvider:
    """Return what reads identity's published view."""

    async def load(user_id: UUID) -> Rights | None:
        async with database.read() as session:
            row = (await session.execute(_AUTHORITY, {"user_id": user_id})).one_or_none()
        return None if row is None else Rights(row.is_active, tuple(row.roles), frozenset(row.permissions))

    return load


class CurrentRights:
    """Puts what holds now in the place of what a token claims, once identity announced a change."""

    def __init__(self, announcements: RevokedSessions, load: RightsProvider, *, clock: Clock | None = None) -> None:
        self._load = load
        self._clock = clock or SystemClock()
        self._turn = 0
        # User → the turn of the last announcement, and until when tokens from before it may live.
        self._changed: dict[UUID, tuple[int, float]] = {}
        self._all_changed = (0, float("-inf"))
        # User → the turn in which the answer was asked for, and the answer.
        self._answers: dict[UUID, tuple[int, Rights | None]] = {}
        self._asking: dict[UUID, asyncio.Task[None]] = {}
        announcements.listen(self.note)

    def note(self, change: AccessChanged | None) -> None:
        """Take an announcement; None: some may have been missed."""
        if change is not None and change.kind in {"share", "session_revoked"}:
            return
        self._turn += 1
        mark = (self._turn, self._clock.monotonic() + DOUBT_SECONDS)
        self._forget()
        if change is not None and change.kind == "user" and change.user_id is not None:
            self._changed.pop(change.user_id, None)
            self._changed[change.user_id] = mark
            if len(self._changed) <= MAX_USERS:
                return
        self._all_changed = mark
        self._changed.clear()
        self._answers.clear()

    async def now(self, principal: Principal) -> Principal:
        """Return the principal with the roles and permissions that hold now.

        Raises UnauthorizedError when the user is not active any more, UnavailableError when that cannot be found out.
        """
        if self._doubted_since(principal.user_id) is None:
            return principal
        rights = await self._rights(principal.user_id)
        if rights is None or not rights.is_active:
            message = "this user is not active"
            raise UnauthorizedError(message, code="user_inactive")
        return replace(principal, roles=rights.roles, permissions=rights.permissions)

    def _doubted_since(self, user_id: UUID) -> int | None:
        now = self._clock.monotonic()
        marks = (self._all_changed, self._changed.get(user_id, self._all_changed))
        return max((turn for turn, until in marks if until > now), default=None)

    async def _rights(self, user_id: UUID) -> Rights | None:
        while True:
            answer = self._answers.get(user_id)
            # One that was asked for before the last announcement may be older than what that was about.
            if answer is not None and answer[0] >= (self._doubted_since(user_id) or 0):
                return answer[1]
            asking = self._asking.get(user_id)
            if asking is None:
                asking = asyncio.create_task(self._ask(user_id), name="current_rights")
                self._asking[user_id] = asking
            # Several requests wait for it; one that is given up must not take it from the others.
            await asyncio.shield(asking)

    async def _ask(self, user_id: UUID) -> None:
        turn = self._turn
        try:
            rights = await self._load(user_id)
        finally:
            del self._asking[user_id]
        if len(self._answers) >= MAX_USERS:
            del self._answers[next(iter(self._answers))]
        self._answers[user_id] = (turn, rights)

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._changed:
            oldest = next(iter(self._changed))
            if self._changed[oldest][1] > now:
                return
            del self._changed[oldest]
            self._answers.pop(oldest, None)
