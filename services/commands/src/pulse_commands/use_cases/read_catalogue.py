"""Show which commands there are, for a device or in general, and which of them the caller may send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pulse_chassis.errors import NotFoundError
from pulse_chassis.principal import Principal
from pulse_commands.domain.specifications import needed_permissions
from pulse_commands.use_cases.authorise import authorise
from pulse_commands.use_cases.ports import Work
from pulse_contracts.commands import BUILT_IN_COMMANDS, CommandSpec
from pulse_contracts.permissions import Permission


@dataclass(frozen=True, slots=True)
class Offered:
    """A command that can be sent, if `may_send`."""

    spec: CommandSpec
    is_built_in: bool
    needs: tuple[Permission, ...]
    may_send: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that there are; `reported_at`: when the device declared its own, None when it never did."""

    items: tuple[Offered, ...]
    reported_at: datetime | None


@dataclass(eq=False)
class ReadCatalogue:
    """Built-in commands first, then the device's own, each by name."""

    work: Work

    async def __call__(self, principal: Principal, device_id: str | None) -> Catalogue:
        """Return the catalogue. Raises NotFoundError when there is no such device in scope."""
        declared = None
        can_control = True
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.COMMANDS_READ)
            if device_id is not None:
                target = (await reads.directory.named(caller, [device_id])).get(device_id)
                if target is None:
                    message = "there is no such device"
                    raise NotFoundError(message, code="unknown_device", field="query.device_id")
                can_control = target.can_control and target.is_active
                declared = (await reads.declarations([device_id])).get(device_id)
        specs = [*BUILT_IN_COMMANDS.values(), *sorted(declared.specs if declared else (), key=lambda spec: spec.name)]
        items = []
        for spec in specs:
            needs = needed_permissions(spec.name)
            may_send = can_control and all(permission in caller.permissions for permission in needs)
            items.append(Offered(spec, spec.name in BUILT_IN_COMMANDS, needs, may_send))
        return Catalogue(tuple(items), None if declared is None else declared.reported_at)
