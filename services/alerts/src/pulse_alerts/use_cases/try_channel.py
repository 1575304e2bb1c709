"""Send a message that nobody need worry about, to see whether a channel works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from pulse_alerts.domain.channel import ChannelKind
from pulse_alerts.use_cases.authorise import authorise
from pulse_alerts.use_cases.edit_channels import NEEDED, held_channel
from pulse_alerts.use_cases.notification_ports import ChannelWork, Trial
from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, NotFoundError
from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditResource

PATIENCE: Final = timedelta(minutes=1)
"""For which it is tried again: whoever pressed the button waits."""


@dataclass(eq=False)
class TryChannel:
    """Neither quiet hours nor a rate limit hold it back. A device is told what is true of its alarms."""

    work: ChannelWork
    clock: Clock

    async def __call__(self, principal: Principal, channel_id: UUID, device_id: str | None) -> Trial:
        """Queue the message. Raises NotFoundError, InvalidError, ConflictError, ForbiddenError."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, *NEEDED)
            channel = await held_channel(unit, channel_id)
            if not channel.is_enabled:
                message = "the channel is not enabled"
                raise ConflictError(message, code="channel_disabled")
            address = ""
            if channel.kind is ChannelKind.MQTT:
                if device_id is None:
                    message = "say which device"
                    raise InvalidError(message, code="device_needed", field="body.device_id")
                if not await unit.directory.seen(caller, [device_id]):
                    message = "there is no such device"
                    raise NotFoundError(message, code="unknown_device")
                address = device_id
            now = self.clock.now()
            trial = Trial(uuid4(), channel_id, address, caller.username, now, now + PATIENCE)
            await unit.add_trial(trial)
            resource = AuditResource(type="alert_channel", id=str(channel_id))
            after = {"name": channel.name, "device_id": device_id}
            await unit.tell_audit([audit_event("alerts", "alert_channel.tested", resource, now, after=after)])
        return trial
