"""Which channels want news of which device: so that a reading costs what its listeners cost, not what all cost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, TypeVar

from pulse_gateway.use_cases.channel import Channel

ChannelT = TypeVar("ChannelT", bound=Channel)


class Interest(Generic[ChannelT]):
    """An index of channels by device."""

    def __init__(self) -> None:
        self._everything: dict[ChannelT, None] = {}
        self._by_device: dict[str, dict[ChannelT, None]] = {}

    def add(self, channel: ChannelT) -> None:
        """Add a channel for the devices of its audience."""
        if channel.audience.devices is None:
            self._everything[channel] = None
            return
        for device_id in channel.audience.devices:
            self._by_device.setdefault(device_id, {})[channel] = None

    def remove(self, channel: ChannelT, devices: Collection[str] | None) -> None:
        """Remove a channel that was added for these devices."""
        if devices is None:
            self._everything.pop(channel, None)
            return
        for device_id in devices:
            listeners = self._by_device.get(device_id)
            if listeners is not None:
                listeners.pop(channel, None)
                if not listeners:
                    del self._by_device[device_id]

    def __bool__(self) -> bool:
        return bool(self._everything) or bool(self._by_device)

    def of(self, device_id: str) -> Collection[ChannelT]:
        """Return the channels that may see this device; asked for each reading, so that nobody costs nothing."""
        by_name = self._by_device.get(device_id)
        return self._everything if by_name is None else (*self._everything, *by_name)
