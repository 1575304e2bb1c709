"""What all sockets of the process share: the hub, the directory, the verifier, limits, counts, and the clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pulse_chassis.clock import Clock
from pulse_contracts.frames import (
    AUTH_TIMEOUT_MS,
    TOKEN_GRACE_SECONDS,
    TOKEN_WARNING_SECONDS,
    CloseCode,
    ErrorCode,
    Topic,
)
from pulse_gateway.domain.refusal import Farewell, RefusedError
from pulse_gateway.domain.stats import LiveStats
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.hub import Hub
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit, TokenVerifier
from pulse_gateway.use_cases.topics.live_topic import LiveTopic

if TYPE_CHECKING:
    from pulse_gateway.use_cases.sockets import Sockets

RESTART_SPREAD_MS: Final = 3_000
"""Over which a restarting gateway asks its clients to come back."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds of sockets; times in seconds."""

    per_process: int = 500
    per_user: int = 10
    unauthenticated: int = 100
    auth_seconds: float = AUTH_TIMEOUT_MS / 1000
    token_warning_seconds: float = TOKEN_WARNING_SECONDS
    token_grace_seconds: float = TOKEN_GRACE_SECONDS
    send_seconds: float = 10.0
    backlog_seconds: float = 5.0
    farewell_seconds: float = 2.0


@dataclass(slots=True)
class Desk:
    """The shared parts, put together once by the composition root."""

    state: LiveState
    hub: Hub
    directory: AccessDirectory
    authority: TokenVerifier
    audit: AccessAudit
    sockets: Sockets
    clock: Clock
    stats: LiveStats
    limits: SocketLimits = field(default_factory=SocketLimits)
    server: str = "precisionpulse-gateway"
    is_draining: bool = False

    def now_ms(self) -> int:
        """Return the wall time in Unix milliseconds."""
        return int(self.clock.now().timestamp() * 1000)

    def count_frame(self, kind: str) -> None:
        """Count a frame that was queued."""
        self.stats.frames_sent[kind] += 1

    def topic(self, name: str) -> LiveTopic:
        """Return a topic that is served. Raises RefusedError."""
        try:
            known = Topic(name)
        except ValueError:
            raise RefusedError(ErrorCode.UNKNOWN_TOPIC, "there is no such topic") from None
        topic = self.state.topics.get(known)
        if topic is None:
            raise RefusedError(ErrorCode.UNAVAILABLE, "this topic is not served here yet", retry_after_ms=60_000)
        is_starting = not topic.stream.is_ready and not topic.stream.has_failed
        if not self.state.is_ready or is_starting:
            raise RefusedError(ErrorCode.UNAVAILABLE, "the live state is being loaded", retry_after_ms=1_000)
        if not topic.stream.is_ready:
            message = "the service behind this topic is not part of this installation, or has not started yet"
            raise RefusedError(ErrorCode.UNAVAILABLE, message, retry_after_ms=5_000)
        return topic

    def restarting(self) -> Farewell:
        """Return the farewell of a gateway that goes down, with a moment to come back of its own."""
        after = random.randint(100, RESTART_SPREAD_MS)  # noqa: S311 -- spreads load, guards nothing
        return Farewell(CloseCode.RESTART, "the gateway is restarting", after)
