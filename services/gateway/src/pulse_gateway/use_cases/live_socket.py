"""One socket's side of `precisionpulse.v1`: what each frame of the client does, and how the server takes its leave.

Independent of the transport: texts come in by `handle`, texts go out through the outbox, `abort` drops the line. A
request is answered by exactly one `ack` or `error` (or `ready`, `pong`). A bad frame costs its sender an error and
nobody else anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from pulse_chassis.errors import UnauthorizedError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.principal import Principal
from pulse_chassis.request_origin import note_principal
from pulse_contracts.frames import (
    CLIENT_FRAME,
    HEARTBEAT_MS,
    AckFrame,
    AuthFrame,
    AuthRefreshFrame,
    ByeFrame,
    ClientFrame,
    CloseCode,
    ErrorCode,
    ErrorFrame,
    Frame,
    HeartbeatFrame,
    HelloFrame,
    Limits,
    PingFrame,
    PongFrame,
    ReadyFrame,
    SubscribeFrame,
    Topic,
    TuneFrame,
    UnsubscribedFrame,
    UnsubscribeFrame,
    UserInfo,
)
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.refusal import ClosingError, Farewell, RefusedError
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Selection
from pulse_gateway.domain.token_bucket import TokenBucket
from pulse_gateway.use_cases.desk import Desk
from pulse_gateway.use_cases.hub import Member, Start
from pulse_gateway.use_cases.outbox import Outbox
from pulse_gateway.use_cases.parse_frame import ParsedFrame, looks_expired, parse_text
from pulse_gateway.use_cases.subscription import Subscription
from pulse_gateway.use_cases.tell_access import tell_access, tell_socket_refusal

MAX_REFUSED: Final = 60
"""Frames above the rate in a row, after which it is no longer a mistake."""
LIMITS: Final = Limits()
_ENDED: Final = frozenset({"session_revoked", "user_inactive"})
"""Codes of refused tokens that were good until somebody ended what they belong to."""
_log = get_logger("socket")


@dataclass(slots=True)
class Session:
    """Who the socket belongs to, once it said so."""

    principal: Principal
    scope: Scope
    expires_at: float
    """Wall time in seconds."""
    is_warned: bool = False

    def user(self) -> UserInfo:
        """Return who it is, with the rights that hold now."""
        rights = self.scope.rights
        return UserInfo(
            id=self.principal.user_id,
            username=rights.username,
            roles=list(rights.roles),
            permissions=sorted(rights.permissions),
        )


@dataclass(slots=True, eq=False)
class LiveSocket:
    """The state of one connection."""

    desk: Desk
    conn: str
    abort: Callable[[], None]
    """Drops the line without any further word."""
    session: Session | None = None
    subscriptions: dict[str, Member] = field(default_factory=dict)
    outbox: Outbox = field(init=False)
    opened_at: float = field(init=False)
    beat_at: float = field(init=False)
    close_by: float | None = field(init=False, default=None)
    """After this (loop time) a farewell that did not get through is given up."""
    _bucket: TokenBucket = field(init=False)
    _refused: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        now = asyncio.get_running_loop().time()
        self.outbox = Outbox(self._on_overflow, self.desk.count_frame)
        self.opened_at = now
        self.beat_at = now + HEARTBEAT_MS / 1000
        self._bucket = TokenBucket(LIMITS.messages_per_s, LIMITS.burst, now)

    def greet(self) -> None:
        """Say hello: the first frame of all."""
        limits = self.desk.limits
        self.say(
            HelloFrame(
                server=self.desk.server,
                server_time=self.desk.now_ms(),
                conn=self.conn,
                auth_timeout_ms=int(limits.auth_seconds * 1000),
            )
        )

    async def handle(self, text: str) -> None:
        """Do what one message of the client asks: a frame, or an array of frames."""
        try:
            for raw in self._parse(text):
                if self._may_go_on(raw):
                    await self._answer(raw)
                if self.outbox.farewell is not None:
                    return
        except ClosingError as closing:
            self.close(closing.farewell)

    def close(self, farewell: Farewell, *, drop_queue: bool = False) -> None:
        """Say bye and end the socket; only the first call counts."""
        if self.outbox.farewell is not None:
            return
        self.desk.stats.closes[int(farewell.code)] += 1
        _log.info("socket_closing", conn=self.conn, code=int(farewell.code), reason=farewell.reason)
        self._leave_all()
        bye = ByeFrame(code=int(farewell.code), reason=farewell.reason, retry_after_ms=farewell.retry_after_ms)
        self.outbox.say_farewell(farewell, _text(bye), drop_queue=drop_queue)
        self.close_by = asyncio.get_running_loop().time() + self.desk.limits.farewell_seconds

    def dispose(self) -> None:
        """Forget everything: the line is gone."""
        self._leave_all()
        if self.session is not None:
            self.desk.sockets.leave_user(self, self.session.principal.user_id)
            self.desk.directory.leave(self.session.principal.user_id)
            self.session = None

    def say(self, frame: Frame) -> None:
        """Queue a frame that is not a subscription's."""
        self.outbox.put(getattr(frame, "type", ""), _text(frame))

    def beat(self) -> None:
        """Send a heartbeat with the position of every subscription."""
        positions = {name: str(self.desk.hub.advance_quiet(member)) for name, member in self.subscriptions.items()}
        self.say(HeartbeatFrame(server_time=self.desk.now_ms(), pos=positions))

    def _on_overflow(self) -> None:
        self.close(Farewell(CloseCode.SLOW_CONSUMER, "more is waiting for this socket than may"), drop_queue=True)

    def _leave_all(self) -> None:
        for member in self.subscriptions.values():
            self.desk.hub.unsubscribe(member)
        self.subscriptions.clear()

    def _parse(self, text: str) -> list[Any]:
        try:
            return parse_text(text)
        except RefusedError as refusal:
            if self._may_go_on(None):
                self._refuse(refusal, None, None)
            self._refuse_stranger("the first frame must be `auth`")
            return []

    def _may_go_on(self, raw: Any) -> bool:
        if self._bucket.take(asyncio.get_running_loop().time()):
            self._refused = 0
            return True
        self._refused += 1
        if self._refused >= MAX_REFUSED:
            raise ClosingError(Farewell(CloseCode.RATE_LIMITED, "too many messages", retry_after_ms=5_000))
        wait_ms = int(self._bucket.wait_seconds * 1000) + 1
        refusal = RefusedError(ErrorCode.RATE_LIMITED, "too many messages", retry_after_ms=wait_ms)
        self._refuse(refusal, _id_of(raw), None)
        return False

    async def _answer(self, raw: Any) -> None:
        parsed = ParsedFrame.of(raw)
        try:
            if self.session is None and parsed.type != "auth":
                raise RefusedError(ErrorCode.UNAUTHORIZED, "the first frame must be `auth`")
            frame = parsed.validate(CLIENT_FRAME)
            await _dispatch(self, frame)
        except RefusedError as refusal:
            self._refuse(refusal, parsed.id, parsed.sub)
            self._refuse_stranger("the first frame must be a valid `auth`")
        except UnavailableError as error:
            later = RefusedError(ErrorCode.UNAVAILABLE, error.message, retry_after_ms=1_000)
            self._refuse(later, parsed.id, parsed.sub)
            if self.session is None:
                raise ClosingError(Farewell(CloseCode.OVERLOADED, error.message, 2_000)) from error
        except ClosingError:
            raise
        except Exception:  # noqa: BLE001 -- a message boundary
            # The boundary of one message: a fault of ours costs its sender an answer, and nobody else anything.
            _log.exception("frame_failed", conn=self.conn, type=parsed.type)
            self._refuse(RefusedError(ErrorCode.INTERNAL, "something went wrong here"), parsed.id, parsed.sub)
            self._refuse_stranger("something went wrong here")

    def _refuse_stranger(self, reason: str) -> None:
        if self.session is None:
            raise ClosingError(Farewell(CloseCode.PROTOCOL, reason))

    def _refuse(self, refusal: RefusedError, request_id: int | None, sub: str | None) -> None:
        self.desk.stats.refusals[refusal.code.value] += 1
        self.say(
            ErrorFrame(
                id=request_id,
                sub=sub,
                code=refusal.code,
                message=refusal.message,
                retryable=refusal.is_retryable,
                retry_after_ms=refusal.retry_after_ms,
            )
        )

    async def on_auth(self, frame: AuthFrame) -> None:
        """Take a token and say who the socket belongs to."""
        if self.session is not None:
            raise RefusedError(ErrorCode.BAD_REQUEST, "already authenticated; use auth_refresh")
        principal = await self._verify(frame.token, frame.id)
        try:
            scope = await self.desk.directory.enter(principal)
        except UnauthorizedError as error:
            self._refuse(RefusedError(ErrorCode.UNAUTHORIZED, error.message), frame.id, None)
            raise ClosingError(Farewell(CloseCode.SESSION_REVOKED, error.message)) from error
        if self.outbox.farewell is not None:
            self.desk.directory.leave(principal.user_id)
            return
        if not self.desk.sockets.enter_user(self, principal.user_id):
            self.desk.directory.leave(principal.user_id)
            raise ClosingError(Farewell(CloseCode.TOO_MANY_CONNECTIONS, "too many connections of this user"))
        self.session = Session(principal, scope, principal.expires_at.timestamp())
        self.outbox.batches = "batch" in frame.features
        self.say(
            ReadyFrame(
                id=frame.id,
                user=self.session.user(),
                token_expires_in=self._token_seconds(),
                limits=LIMITS.model_copy(update={"connections_per_user": self.desk.limits.per_user}),
            )
        )

    async def on_auth_refresh(self, frame: AuthRefreshFrame) -> None:
        """Take a new token of the same user."""
        session = self._session
        try:
            principal = await self.desk.authority.verify(frame.token)
            self.desk.directory.check_session(principal)
        except UnauthorizedError as error:
            raise RefusedError(ErrorCode.UNAUTHORIZED, error.message) from error
        if principal.user_id != session.principal.user_id:
            raise RefusedError(ErrorCode.UNAUTHORIZED, "the token is of another user")
        session.principal = principal
        session.expires_at = principal.expires_at.timestamp()
        session.is_warned = False
        self.say(AckFrame(id=frame.id, token_expires_in=self._token_seconds()))

    async def on_subscribe(self, frame: SubscribeFrame) -> None:
        """Start a subscription."""
        if frame.sub in self.subscriptions:
            raise RefusedError(ErrorCode.DUPLICATE_SUB, "this name is in use on this connection")
        if len(self.subscriptions) >= LIMITS.subscriptions:
            raise RefusedError(ErrorCode.SUB_LIMIT, f"at most {LIMITS.subscriptions} subscriptions")
        topic = self.desk.topic(frame.topic)
        if not self._session.scope.allows(topic.permission):
            tell_socket_refusal(self.desk.audit, "forbidden")
            raise RefusedError(ErrorCode.FORBIDDEN, f"the permission {topic.permission} is needed")
        name = frame.sub
        subscription = Subscription(
            name, Topic(frame.topic), Selection.of(frame.filter), topic.new_pending(), self.outbox
        )
        subscription.interval_ms = topic.interval_ms(frame.interval_ms)
        member = Member(subscription, self._session.scope, lambda code: self._on_revoked(name, code))
        start = await self.desk.hub.subscribe(member, frame.since, wants_snapshot=frame.snapshot)
        if self.outbox.farewell is not None:
            self.desk.hub.unsubscribe(member)
            return
        self.subscriptions[name] = member
        if topic.permission == Permission.TELEMETRY_READ:
            tell_access(self.desk.audit, "telemetry.followed", subscription.selection.device_ids)
        self._ack_start(frame.id, member, start, columns=topic.columns)

    def on_tune(self, frame: TuneFrame) -> None:
        """Change the rate of a subscription, pause it or go on."""
        member = self._member(frame.sub)
        if frame.interval_ms is not None:
            topic = self.desk.state.topics[member.subscription.topic]
            self.desk.hub.change_interval(member, topic.interval_ms(frame.interval_ms))
        start = None
        if frame.paused is True:
            self.desk.hub.pause(member)
        elif frame.paused is False:
            start = self.desk.hub.go_on(member)
        self._ack_start(frame.id, member, start, columns=None)

    def on_unsubscribe(self, frame: UnsubscribeFrame) -> None:
        """End a subscription."""
        self.desk.hub.unsubscribe(self._member(frame.sub))
        del self.subscriptions[frame.sub]
        self.say(AckFrame(id=frame.id, sub=frame.sub))

    def _ack_start(
        self, request_id: int, member: Member, start: Start | None, *, columns: tuple[str, ...] | None
    ) -> None:
        subscription = member.subscription
        self.say(
            AckFrame(
                id=request_id,
                sub=subscription.name,
                topic=subscription.topic.value,
                epoch=None if start is None else start.epoch,
                offset=None if start is None else str(start.offset),
                recovered=None if start is None else start.recovered,
                interval_ms=subscription.interval_ms,
                columns=None if columns is None else list(columns),
            )
        )

    def _on_revoked(self, name: str, code: ErrorCode) -> None:
        self.subscriptions.pop(name, None)
        self.say(UnsubscribedFrame(sub=name, code=code, retryable=False))

    async def _verify(self, token: str, request_id: int) -> Principal:
        try:
            return note_principal(await self.desk.authority.verify(token))
        except UnauthorizedError as error:
            tell_socket_refusal(self.desk.audit, error.code)
            self._refuse(RefusedError(ErrorCode.UNAUTHORIZED, error.message), request_id, None)
            if error.code in _ENDED:
                code = CloseCode.SESSION_REVOKED
            else:
                code = CloseCode.TOKEN_EXPIRED if looks_expired(token, time.time()) else CloseCode.UNAUTHORIZED
            raise ClosingError(Farewell(code, error.message)) from error

    def _member(self, name: str) -> Member:
        member = self.subscriptions.get(name)
        if member is None:
            raise RefusedError(ErrorCode.UNKNOWN_SUB, "there is no subscription of this name")
        return member

    def _token_seconds(self) -> int:
        return max(0, int(self._session.expires_at - self.desk.clock.now().timestamp()))

    @property
    def _session(self) -> Session:
        assert self.session is not None, "asked before auth"  # noqa: S101 -- narrows a type
        return self.session


async def _dispatch(socket: LiveSocket, frame: ClientFrame) -> None:
    match frame:
        case AuthFrame():
            await socket.on_auth(frame)
        case AuthRefreshFrame():
            await socket.on_auth_refresh(frame)
        case SubscribeFrame():
            await socket.on_subscribe(frame)
        case TuneFrame():
            socket.on_tune(frame)
        case UnsubscribeFrame():
            socket.on_unsubscribe(frame)
        case PingFrame():
            socket.say(PongFrame(id=frame.id, server_time=socket.desk.now_ms()))


def _text(frame: Frame) -> str:
    return orjson.dumps(frame.model_dump(mode="json", exclude_none=True)).decode()


def _id_of(raw: Any) -> int | None:
    return ParsedFrame.of(raw).id
