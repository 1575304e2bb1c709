"""Sessions and refresh tokens in PostgreSQL, within the transaction of a session that somebody else commits.

`find` locks the session's row: requests with tokens of one family take turns, so a rotation is seen by the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_identity.domain.sessions import RefreshToken, Session, SessionView
from pulse_identity.storage.tables import refresh_tokens, sessions


class PostgresSessionStore:
    """A `SessionStore` on one database session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, session: Session, token: RefreshToken, client: Mapping[str, str]) -> None:
        """Add a session with its first token; `client` describes the browser or program for people."""
        await self._session.execute(
            sa.insert(sessions).values(
                id=session.id,
                user_id=session.user_id,
                generation=session.generation,
                client=dict(client),
                created_at=session.created_at,
                last_used_at=session.created_at,
                expires_at=session.expires_at,
            )
        )
        await self._add_token(token)

    async def find(self, token_sha256: bytes) -> tuple[RefreshToken, Session] | None:
        """Return a token and its session, locked: of two requests with tokens of one family, one waits."""
        session_id = await self._session.scalar(
            sa.select(refresh_tokens.c.session_id).where(refresh_tokens.c.sha256 == token_sha256)
        )
        if session_id is None:
            return None
        locked = await self._session.execute(sa.select(sessions).where(sessions.c.id == session_id).with_for_update())
        session = locked.one_or_none()
        # Read after the lock: whoever held it may have turned this very token in.
        found = await self._session.execute(sa.select(refresh_tokens).where(refresh_tokens.c.sha256 == token_sha256))
        token = found.one_or_none()
        if session is None or token is None:
            return None
        return _token(token), _session(session)

    async def rotate(self, parent: RefreshToken, child: RefreshToken, client: bytes, now: datetime) -> None:
        """Make `child` the newest token of the session, and note who turned `parent` in."""
        await self._session.execute(
            sa.update(refresh_tokens)
            .where(refresh_tokens.c.sha256 == parent.sha256)
            .values(rotated_at=now, rotated_by=client)
        )
        await self._add_token(child)
        await self._session.execute(
            sa.update(sessions)
            .where(sessions.c.id == parent.session_id)
            .values(generation=child.generation, last_used_at=now)
        )

    async def revoke(self, session_id: UUID, reason: str, now: datetime) -> bool:
        """End a session; whether it was open."""
        result = await self._session.execute(
            sa.update(sessions)
            .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_reason=reason)
        )
        return _count(result) > 0

    async def revoke_all(self, user_id: UUID, reason: str, now: datetime, keep: UUID | None = None) -> list[UUID]:
        """End all open sessions of a user, but for `keep`; return their ids."""
        ends = sa.true() if keep is None else sessions.c.id != keep
        result = await self._session.execute(
            sa.update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), ends)
            .values(revoked_at=now, revoked_reason=reason)
            .returning(sessions.c.id)
        )
        return list(result.scalars())

    async def open_of(self, user_id: UUID, now: datetime) -> list[SessionView]:
        """Return a user's open sessions, the one used last first."""
        rows = await self._session.execute(
            sa.select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.id)
        )
        return [
            SessionView(
                _session(row), row.client.get("address", ""), row.client.get("user_agent", ""), row.last_used_at
            )
            for row in rows
        ]

    async def forget(self, before: datetime) -> int:
        """Delete what expired before then; return how many sessions and tokens."""
        gone = await self._session.execute(sa.delete(sessions).where(sessions.c.expires_at < before))
        stale = await self._session.execute(sa.delete(refresh_tokens).where(refresh_tokens.c.expires_at < before))
        return _count(gone) + _count(stale)

    async def _add_token(self, token: RefreshToken) -> None:
        await self._session.execute(
            sa.insert(refresh_tokens).values(
                sha256=token.sha256,
                session_id=token.session_id,
                generation=token.generation,
                expires_at=token.expires_at,
            )
        )


def _count(result: sa.Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount


def _token(row: sa.Row[Any]) -> RefreshToken:
    return RefreshToken(
        sha256=bytes(row.sha256),
        session_id=row.session_id,
        generation=row.generation,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        rotated_by=None if row.rotated_by is None else bytes(row.rotated_by),
    )


def _session(row: sa.Row[Any]) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        generation=row.generation,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
