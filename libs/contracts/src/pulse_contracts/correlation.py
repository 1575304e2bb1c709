"""The one name of a reading in everybody's logs, from the device to the socket.

It is made of what every form of a reading has (the device and its own time), so that nothing more is sent for it.
"""

from __future__ import annotations


def reading_correlation(device_id: str, recorded_ms: int) -> str:
    """Return the correlation id of a device's reading: `<device id>@<recorded_at in Unix milliseconds>`."""
    return f"{device_id}@{recorded_ms}"
