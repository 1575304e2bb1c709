"""Which devices have to be told anew what is true of their alarms."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

_RENEW: Final = sa.text(
    "update alerts.device_topic set is_stale = true where device_id = any(cast(:device_ids as text[])) and not is_stale"
)


async def renew_device_topics(session: AsyncSession, device_ids: Collection[str]) -> None:
    """Have these devices told again, if they ever were: an alarm was acknowledged, shelved or unshelved. For the
    transaction that changes the alarm."""
    await session.execute(_RENEW, {"device_ids": sorted(device_ids)})
