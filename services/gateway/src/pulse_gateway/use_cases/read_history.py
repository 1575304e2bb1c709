"""Give a page of stored readings to somebody who may see their devices."""

from __future__ import annotations

from collections.abc import Collection

from pulse_chassis.errors import NotFoundError
from pulse_contracts.frames import LivePosition, Topic
from pulse_gateway.domain.history import HistoryPage, HistoryQuery
from pulse_gateway.domain.scope import Scope
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import HistoryReader


async def read_history(
    query: HistoryQuery, scope: Scope, state: LiveState, reader: HistoryReader
) -> tuple[HistoryPage, LivePosition]:
    """Return the page and the live position before it. Raises NotFoundError, UnavailableError.

    A device of somebody else is answered as one that does not exist.
    """
    require_devices(query.device_ids, scope, state)
    live = live_position(state, Topic.TELEMETRY_RAW)
    return await reader.read_page(query), live


def require_devices(device_ids: Collection[str], scope: Scope, state: LiveState) -> None:
    """Raise NotFoundError unless somebody may see all of these devices."""
    for device_id in device_ids:
        if not scope.sees(device_id) or (scope.sees_all and device_id not in state.book):
            message = "there is no such device"
            raise NotFoundError(message, code="unknown_device", field="query.device_id")


def live_position(state: LiveState, topic: Topic) -> LivePosition:
    """Return where a socket can go on from what is about to be read."""
    stream = state.topics[topic].stream
    return LivePosition(topic=topic, epoch=stream.epoch, offset=str(stream.position))
