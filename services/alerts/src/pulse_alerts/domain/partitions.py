"""Which share of the devices a device belongs to. It is the same in every process, and for ever."""

from __future__ import annotations

import zlib
from typing import Final

PARTITIONS: Final = 64
"""More than there will be workers; few enough that their leases are one small statement."""


def partition_of(device_id: str) -> int:
    """Return a device's partition."""
    return zlib.crc32(device_id.encode()) % PARTITIONS
