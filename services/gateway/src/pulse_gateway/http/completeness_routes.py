"""`/api/telemetry/completeness`: which readings of a device are here, which are missing, which it declared lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from pulse_chassis.bearer import Principal, requires
from pulse_contracts.ids import ClientIdField
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.completeness import EpochCompleteness, Range
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import CompletenessReader
from pulse_gateway.use_cases.read_history import require_devices

MAX_EPOCHS: Final = 20
MAX_RANGES: Final = 200
"""Of each kind and epoch: more holes than anybody reads; `missing` and `lost` still count all of them."""

Ranges = Annotated[
    list[tuple[int, int]], Field(description=f"first and last sequence number; the first {MAX_RANGES} of them")
]


class EpochItem(BaseModel):
    """One epoch of a device's numbering."""

    epoch: int
    highest: Annotated[int, Field(description="the highest sequence number that is known to exist")]
    received: int
    missing: int
    lost: Annotated[int, Field(description="declared lost by the device: it will not come any more")]
    missing_ranges: Ranges
    lost_ranges: Ranges

    @classmethod
    def of(cls, found: EpochCompleteness) -> EpochItem:
        """Return the item for an epoch."""
        return cls(
            epoch=found.epoch,
            highest=found.highest,
            received=found.received,
            missing=found.missing,
            lost=found.lost,
            missing_ranges=_first(found.missing_ranges),
            lost_ranges=_first(found.lost_ranges),
        )


class CompletenessReply(BaseModel):
    """The newest epochs of a device, the newest first; none when it numbers no readings."""

    device_id: str
    epochs: list[EpochItem]


def completeness_router(state: LiveState, directory: AccessDirectory, reader: CompletenessReader) -> APIRouter:
    """Return the routes over this state."""
    router = APIRouter(prefix="/api/telemetry", tags=["telemetry"])

    @router.get(
        "/completeness/{device_id}",
        summary="Which numbered readings of a device are here",
        responses={404: {"description": "No such device, or none of yours"}},
    )
    async def read_completeness(
        device_id: ClientIdField, principal: Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))]
    ) -> CompletenessReply:
        require_devices([device_id], await scope_for(principal, directory, state), state)
        epochs = await reader.epochs(device_id, MAX_EPOCHS)
        return CompletenessReply(device_id=device_id, epochs=[EpochItem.of(one) for one in epochs])

    return router


def _first(ranges: Sequence[Range]) -> list[Range]:
    return list(ranges[:MAX_RANGES])
