"""Channels, and what became of what was to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pulse_alerts.domain.channel import Channel
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.edit_channels import NEEDED, no_channel
from pulse_alerts.use_cases.notification_ports import ChannelWork, DeliveryRow, MessageRow, MessageState
from pulse_alerts.use_cases.ports import Page
from pulse_chassis.errors import NotFoundError
from pulse_chassis.principal import Principal
from pulse_contracts.permissions import Permission


@dataclass(eq=False)
class FindChannels:
    """Reads only."""

    work: ChannelWork

    async def all(self, principal: Principal) -> list[Channel]:
        """Return all channels by name."""
        async with self.work.look() as reads:
            await authorise(reads.directory, principal, *NEEDED)
            return await reads.channels()

    async def one(self, principal: Principal, channel_id: UUID) -> Channel:
        """Return a channel. Raises NotFoundError."""
        async with self.work.look() as reads:
            await authorise(reads.directory, principal, *NEEDED)
            found = await reads.channel(channel_id)
        if found is None:
            raise no_channel()
        return found

    async def messages(
        self, principal: Principal, channel_id: UUID, states: Sequence[MessageState], page: Page
    ) -> list[MessageRow]:
        """Return a page of a channel's messages, newest first. Raises NotFoundError."""
        async with self.work.look() as reads:
            await authorise(reads.directory, principal, *NEEDED)
            if await reads.channel(channel_id) is None:
                raise no_channel()
            return await reads.messages(channel_id, states, page)

    async def deliveries(self, principal: Principal, alarm_id: UUID) -> list[DeliveryRow]:
        """Return what became of an alarm's steps for each channel. Raises NotFoundError."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.ALERTS_READ)
            found = await reads.deliveries(caller, alarm_id)
        if found is None:
            message = "there is no such alarm"
            raise NotFoundError(message, code="unknown_alarm")
        return found
