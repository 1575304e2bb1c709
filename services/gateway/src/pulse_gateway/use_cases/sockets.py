"""All sockets of the process: how many there may be, what time does to each, and the end of all of them.

One task looks after every socket twice a second (heartbeats, tokens, slow ones, strangers), instead of several timers
for each. When the process stops, everybody is told `bye` with a moment of their own to come back, and a socket that
does not read is dropped: it can neither delay the others nor the process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pulse_chassis.logging import get_logger
from pulse_contracts.frames import HEARTBEAT_MS, CloseCode, TokenExpiringFrame, UserFrame
from pulse_gateway.domain.refusal import Farewell

if TYPE_CHECKING:
    from pulse_gateway.use_cases.desk import Desk, SocketLimits
    from pulse_gateway.use_cases.live_socket import LiveSocket

SWEEP_SECONDS: Final = 0.5
DRAIN_SECONDS: Final = 4.0
_log = get_logger("sockets")


class Sockets:
    """The registry and the sweep."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._all: dict[LiveSocket, None] = {}
        self._strangers = 0
        self._by_user: dict[UUID, dict[LiveSocket, None]] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def strangers(self) -> int:
        """Sockets that have not authenticated yet."""
        return self._strangers

    def admit(self, socket: LiveSocket) -> Farewell | None:
        """Count a new socket, and return why it must go again at once, if it must."""
        self._all[socket] = None
        self._strangers += 1
        self._is_empty.clear()
        if len(self._all) > self._limits.per_process or self._strangers > self._limits.unauthenticated:
            return Farewell(CloseCode.OVERLOADED, "too many connections here", 5_000)
        return None

    def remove(self, socket: LiveSocket) -> None:
        """Forget a socket whose line is gone; to be called after `leave_user`."""
        if socket in self._all:
            del self._all[socket]
            self._strangers -= 1
        if not self._all:
            self._is_empty.set()

    def enter_user(self, socket: LiveSocket, user_id: UUID) -> bool:
        """Note whose socket it is; False when the user has enough of them."""
        mine = self._by_user.setdefault(user_id, {})
        if len(mine) >= self._limits.per_user:
            return False
        mine[socket] = None
        self._strangers -= 1
        return True

    def leave_user(self, socket: LiveSocket, user_id: UUID) -> None:
        """Make it a stranger's again."""
        mine = self._by_user.get(user_id, {})
        if mine.pop(socket, 0) is None:
            self._strangers += 1
        if not mine:
            self._by_user.pop(user_id, None)

    def tell_rights(self, user_id: UUID) -> None:
        """Tell all sockets of a user which rights hold now."""
        for socket in list(self._by_user.get(user_id, {})):
            if socket.session is not None:
                socket.say(UserFrame(user=socket.session.user()))

    def close_user(self, user_id: UUID, farewell: Farewell) -> None:
        """End all sockets of a user."""
        for socket in list(self._by_user.get(user_id, {})):
            socket.close(farewell)

    def close_session(self, session_id: UUID, farewell: Farewell) -> None:
        """End all sockets that a session opened."""
        for mine in list(self._by_user.values()):
            for socket in list(mine):
                if socket.session is not None and socket.session.principal.session_id == session_id:
                    socket.close(farewell)

    async def run(self, desk: Desk, stop: asyncio.Event) -> None:
        """Look after the sockets until `stop`, then see all of them off."""
        while not stop.is_set():
            now = asyncio.get_running_loop().time()
            wall = desk.clock.now().timestamp()
            for socket in list(self._all):
                self._look_after(socket, now, wall)
            await _wait(stop, SWEEP_SECONDS)
        desk.is_draining = True
        await self._see_off(desk)

    def _look_after(self, socket: LiveSocket, now: float, wall: float) -> None:
        outbox = socket.outbox
        if outbox.farewell is not None:
            if socket.close_by is not None and now > socket.close_by:
                socket.abort()
            return
        if outbox.send_started is not None and now - outbox.send_started > self._limits.send_seconds:
            socket.close(_slow("one send took too long"), drop_queue=True)
        elif outbox.high_since is not None and now - outbox.high_since > self._limits.backlog_seconds:
            socket.close(_slow("the backlog did not shrink"), drop_queue=True)
        elif socket.session is None:
            if now - socket.opened_at > self._limits.auth_seconds:
                socket.close(Farewell(CloseCode.AUTH_TIMEOUT, "no authentication in time", 1_000))
        else:
            self._check_token(socket, wall)
            if now >= socket.beat_at:
                socket.beat_at = now + HEARTBEAT_MS / 1000
                socket.beat()

    def _check_token(self, socket: LiveSocket, wall: float) -> None:
        session = socket.session
        assert session is not None  # noqa: S101 -- narrows a type
        left = session.expires_at - wall
        if left < -self._limits.token_grace_seconds:
            socket.close(Farewell(CloseCode.TOKEN_EXPIRED, "the token expired and was not refreshed", 1_000))
        elif left <= self._limits.token_warning_seconds and not session.is_warned:
            session.is_warned = True
            socket.say(TokenExpiringFrame(expires_in=max(0, int(left))))

    async def _see_off(self, desk: Desk) -> None:
        leaving = list(self._all)
        if not leaving:
            return
        _log.info("sockets_draining", sockets=len(leaving))
        for socket in leaving:
            socket.close(desk.restarting())
        await _wait(self._is_empty, DRAIN_SECONDS / 2)
        for socket in list(self._all):
            socket.abort()
        await _wait(self._is_empty, DRAIN_SECONDS / 2)


def _slow(reason: str) -> Farewell:
    return Farewell(CloseCode.SLOW_CONSUMER, reason, 1_000)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
