"""Registering many devices from a list: every row is checked before anything is done.

What passed is registered `CHUNK` rows at a time, each time all or none. With up to `CHUNK` rows the whole import is all or
none; beyond that a failure in the middle (a broker that went away) leaves what was done before, and says where it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from pulse_chassis.errors import PulseError
from pulse_contracts.permissions import Permission
from pulse_identity.domain.desktops import check_kind
from pulse_identity.domain.devices import NewDevice, check_device_id
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.ports import Work
from pulse_identity.use_cases.register_devices import DeviceWish, RegisterDevices, check_owner

CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """Why one row cannot be; `row` counts from 1, without the header."""

    row: int
    field: str
    code: str
    message: str


class ImportDevices:
    """Checks and registers a list of devices."""

    def __init__(self, work: Work, register: RegisterDevices) -> None:
        self._work = work
        self._register = register

    async def check(self, caller: Caller, wishes: Sequence[DeviceWish]) -> list[RowRefusal]:
        """Return every row that cannot be; raises UnauthorizedError, ForbiddenError when none may."""
        found = _refused_ids(wishes)
        async with self._work() as unit:
            actor = await authorise(unit, caller, Permission.DEVICES_WRITE)
            ids = [wish.id for wish in wishes if wish.id is not None]
            taken: set[str] = set()
            for start in range(0, len(ids), CHUNK):
                taken |= await unit.devices.taken(ids[start : start + CHUNK], actor)
            owners: dict[object, PulseError | None] = {}
            for row, wish in enumerate(wishes, start=1):
                if wish.id in taken:
                    found.append(RowRefusal(row, "id", "device_id_taken", "the id is taken"))
                unfit = check_kind(actor, wish.kind)
                if unfit is not None:
                    found.append(RowRefusal(row, "kind", unfit.code, unfit.message))
                if wish.owner_id not in owners:
                    owners[wish.owner_id] = None
                    try:
                        await check_owner(unit, actor, wish)
                    except PulseError as error:
                        owners[wish.owner_id] = error
                refusal = owners[wish.owner_id]
                if refusal is not None:
                    found.append(RowRefusal(row, "owner_id", refusal.code, refusal.message))
        return sorted(found, key=lambda refusal: refusal.row)

    async def register(self, caller: Caller, wishes: Sequence[DeviceWish]) -> AsyncIterator[list[NewDevice]]:
        """Register what was checked, and give the new devices in order; raises as registering does."""
        for start in range(0, len(wishes), CHUNK):
            yield await self._register(caller, wishes[start : start + CHUNK])


def _refused_ids(wishes: Sequence[DeviceWish]) -> list[RowRefusal]:
    found = []
    first_row: dict[str, int] = {}
    for row, wish in enumerate(wishes, start=1):
        if wish.id is None:
            continue
        refusal = check_device_id(wish.id)
        if refusal is not None:
            found.append(RowRefusal(row, "id", refusal.code, refusal.message))
        elif first_row.setdefault(wish.id, row) != row:
            message = f"the id stands in row {first_row[wish.id]} already"
            found.append(RowRefusal(row, "id", "duplicate_device_id", message))
    return found
