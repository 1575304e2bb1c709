"""Who is subscribed to what: joining, leaving, pausing, and what happens when rights or positions change.

Guaranteed: between looking at the state and joining a channel nothing else runs, so that no entry falls between a
snapshot (or a replay) and the first tick, and none is told twice where order counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pulse_chassis.clock import Clock
from pulse_contracts.frames import ErrorCode, GapReason, Position, Topic
from pulse_gateway.domain.ring import NotRecovered, Recovered
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import AllBut, Audience, Selection, resolve
from pulse_gateway.domain.stats import LiveStats
from pulse_gateway.domain.stream_id import StreamId, parse_stream_id
from pulse_gateway.use_cases.channel import Channel
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.subscription import Subscription

ChannelKey = tuple[Topic, str, Selection, int]


@dataclass(slots=True)
class Member:
    """A subscription and what it depends on. `revoke` ends it on the socket's side."""

    subscription: Subscription
    scope: Scope
    revoke: Callable[[ErrorCode], None]
    channel: Channel | None = None
    paused_epoch: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a subscription begins, for its `ack`; `recovered` is None when it did not ask to go on."""

    epoch: str
    offset: StreamId
    recovered: bool | None


class Hub:
    """All subscriptions and channels of the process."""

    def __init__(self, state: LiveState, clock: Clock, stats: LiveStats) -> None:
        self._state = state
        self._clock = clock
        self._stats = stats
        self._channels: dict[ChannelKey, Channel] = {}
        self._members: dict[UUID, dict[Subscription, Member]] = {}

    async def subscribe(self, member: Member, since: Position | None, *, wants_snapshot: bool) -> Start:
        """Start a subscription. Raises RefusedError. The caller queues the `ack` before it awaits anything."""
        subscription = member.subscription
        topic = self._state.topics[subscription.topic]
        decision = None if since is None else await topic.stream.resume(since)
        audience = self._audience(member)
        topic.check(audience)
        channel = self._join(member, audience)
        self._members.setdefault(member.scope.user_id, {})[subscription] = member
        subscription.offset = topic.stream.position
        if since is None or decision is None:
            if wants_snapshot:
                self._tell_snapshot(subscription, channel)
            return Start(topic.stream.epoch, topic.stream.position, None)
        return self._go_on(member, channel, since, decision, wants_snapshot=wants_snapshot)

    def unsubscribe(self, member: Member) -> None:
        """End a subscription; nothing more is told."""
        self._leave(member)
        member.subscription.forget_pending()
        mine = self._members.get(member.scope.user_id)
        if mine is not None:
            mine.pop(member.subscription, None)
            if not mine:
                del self._members[member.scope.user_id]

    def change_interval(self, member: Member, interval_ms: int) -> None:
        """Move a subscription to another rate."""
        if member.channel is not None and member.subscription.interval_ms != interval_ms:
            # What its channel had gathered is told now: the new channel begins behind it.
            member.channel.flush()
            self._leave(member)
            member.subscription.interval_ms = interval_ms
            self._join(member, self._audience(member))
        member.subscription.interval_ms = interval_ms

    def pause(self, member: Member) -> None:
        """Stop telling, and remember the offset: going on is a resume from there."""
        if member.channel is None:
            return
        subscription = member.subscription
        self.advance_quiet(member)
        subscription.must_renew |= subscription.is_in_snapshot
        member.paused_epoch = self._state.topics[subscription.topic].stream.epoch
        self._leave(member)
        subscription.forget_pending()
        subscription.is_paused = True

    def go_on(self, member: Member) -> Start | None:
        """End a pause, by the rules of a resume; None when there was none."""
        subscription = member.subscription
        if not subscription.is_paused:
            return None
        subscription.is_paused = False
        stream = self._state.topics[subscription.topic].stream
        since = Position(epoch=member.paused_epoch, offset=str(subscription.offset))
        decision = stream.ring.resume(stream.epoch, since)
        channel = self._join(member, self._audience(member))
        return self._go_on(member, channel, since, decision, wants_snapshot=True)

    def advance_quiet(self, member: Member) -> StreamId:
        """Return the subscription's offset, raised to the stream's when everything up to there has been told."""
        subscription = member.subscription
        channel = member.channel
        if channel is not None and subscription.is_idle and not channel.is_dirty:
            subscription.offset = max(subscription.offset, self._state.topics[subscription.topic].stream.position)
        return subscription.offset

    def rescope(self, user_id: UUID) -> None:
        """Apply a user's new rights to all of their subscriptions."""
        resolved: set[Channel] = set()
        for member in list(self._members.get(user_id, {}).values()):
            topic = self._state.topics[member.subscription.topic]
            if not member.scope.allows(topic.permission):
                self._revoke(member)
            elif member.channel is None:
                member.subscription.must_renew = True
            elif member.channel.audience.scope_key != member.scope.key:
                self._move_scope(member)
            elif member.channel not in resolved:
                resolved.add(member.channel)
                if self._resolve_again(member.channel, member.scope):
                    for subscription in list(member.channel.members):
                        self._revoke(self._members[user_id][subscription])
        self._state.ticker.settle()

    def regroup(self) -> None:
        """Resolve the channels that select by group again: devices may have come or gone."""
        resolved: set[Channel] = set()
        for members in list(self._members.values()):
            for member in list(members.values()):
                channel = member.channel
                if member.subscription.selection.groups is None:
                    continue
                if channel is None:
                    member.subscription.must_renew = True
                elif channel not in resolved:
                    resolved.add(channel)
                    self._resolve_again(channel, member.scope)

    def position_lost(self, stream: str, reason: GapReason, last: StreamId) -> None:
        """Tell everybody on this stream of a gap since `last`, and the state anew where there is one."""
        now = self._now_ms()
        for members in self._members.values():
            for member in members.values():
                topic = self._state.topics[member.subscription.topic]
                if topic.stream.name != stream or member.channel is None:
                    continue
                member.channel.discard()
                member.subscription.forget_pending()
                member.subscription.offset = member.subscription.joined_at = topic.stream.position
                member.subscription.tell_gap(reason, min(last.ms, now) or now, now)
                self._tell_snapshot(member.subscription, member.channel)

    def _go_on(
        self,
        member: Member,
        channel: Channel,
        since: Position,
        decision: Recovered[Any] | NotRecovered,
        *,
        wants_snapshot: bool,
    ) -> Start:
        subscription = member.subscription
        topic = self._state.topics[subscription.topic]
        position = topic.stream.position
        if isinstance(decision, NotRecovered):
            self._stats.resumes[decision.reason.value] += 1
            subscription.offset = position
            subscription.must_renew = False
            now = self._now_ms()
            seen = parse_stream_id(since.offset)
            subscription.tell_gap(decision.reason, min(seen.ms, now) if seen and seen.ms else now, now)
            if wants_snapshot:
                self._tell_snapshot(subscription, channel)
            return Start(topic.stream.epoch, position, recovered=False)
        self._stats.resumes["recovered"] += 1
        must_renew = subscription.must_renew or topic.must_renew(member.scope, since, decision.missed)
        subscription.must_renew = False
        subscription.offset = parse_stream_id(since.offset) or position
        if must_renew and self._tell_snapshot(subscription, channel):
            return Start(topic.stream.epoch, subscription.offset, recovered=True)
        if decision.missed:
            topic.replay(subscription.pending, channel.audience, decision.missed)
            subscription.wake()
        return Start(topic.stream.epoch, subscription.offset, recovered=True)

    def _tell_snapshot(self, subscription: Subscription, channel: Channel) -> bool:
        snapshot = self._state.topics[subscription.topic].snapshot(channel.audience)
        if snapshot is not None:
            subscription.tell_snapshot(snapshot)
        return snapshot is not None

    def _audience(self, member: Member) -> Audience:
        return Audience(member.scope, member.subscription.selection, self._state.book.groups)

    def _join(self, member: Member, audience: Audience) -> Channel:
        subscription = member.subscription
        key = (subscription.topic, audience.scope_key, subscription.selection, subscription.interval_ms)
        channel = self._channels.get(key)
        topic = self._state.topics[subscription.topic]
        if channel is None:
            channel = self._channels[key] = topic.open(audience, subscription.interval_ms)
        channel.members[subscription] = None
        member.channel = channel
        subscription.joined_at = topic.stream.position
        return channel

    def _leave(self, member: Member) -> None:
        channel, member.channel = member.channel, None
        if channel is None:
            return
        channel.members.pop(member.subscription, None)
        if channel.members:
            return
        channel.close()
        self._state.topics[channel.topic].close(channel)
        key = (channel.topic, channel.audience.scope_key, channel.audience.selection, channel.interval_ms)
        self._channels.pop(key, None)

    def _revoke(self, member: Member) -> None:
        self.unsubscribe(member)
        member.revoke(ErrorCode.FORBIDDEN)

    def _move_scope(self, member: Member) -> None:
        """Follow a user who began or ceased to see all devices: the frames are shared with others from now on."""
        assert member.channel is not None  # noqa: S101 -- narrows a type
        before = member.channel.audience.devices
        self._leave(member)
        audience = self._audience(member)
        if _lost_all(audience.selection, before, audience.devices):
            self._revoke(member)
            return
        channel = self._join(member, audience)
        if audience.devices is not None:
            member.subscription.drop_devices(AllBut(audience.devices))
        self._tell_snapshot(member.subscription, channel)

    def _resolve_again(self, channel: Channel, scope: Scope) -> bool:
        """Follow a change of what a channel may see; return whether all devices that it named are lost."""
        before = channel.audience.devices
        after = resolve(scope, channel.audience.selection, self._state.book.groups)
        if before == after or before is None or after is None:
            return False
        channel.audience.devices = after
        self._state.topics[channel.topic].regroup(channel, before)
        lost = before - after
        if lost:
            channel.lose(lost)
            for subscription in channel.members:
                subscription.drop_devices(lost)
        channel.gain(after - before)
        return _lost_all(channel.audience.selection, before, after)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _lost_all(selection: Selection, before: frozenset[str] | None, after: frozenset[str] | None) -> bool:
    """Tell whether a subscription to named devices has none of them left that it had."""
    if selection.device_ids is None or after is None or after:
        return False
    return before is None or bool(before)
