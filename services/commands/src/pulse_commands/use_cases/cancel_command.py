"""Take back a command that was never published.

Once it was published nobody can say that it will not run: then this is refused, and the command stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, ForbiddenError, NotFoundError
from pulse_chassis.principal import Principal
from pulse_commands.domain.asking import closed
from pulse_commands.domain.command import By, Changed, Command, stepped
from pulse_commands.domain.life import cancel
from pulse_commands.use_cases.authorise import authorise
from pulse_commands.use_cases.ports import Count, Work
from pulse_contracts.audit import AuditResource
from pulse_contracts.permissions import Permission


@dataclass(eq=False)
class CancelCommand:
    """Whoever may send to the device may take back what waits for it."""

    work: Work
    clock: Clock
    count: Count

    async def __call__(self, principal: Principal, command_id: UUID) -> Command:
        """Cancel. Raises NotFoundError, ForbiddenError, ConflictError (`already_published`, `already_ended`)."""
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, Permission.COMMANDS_SEND)
            held = (await unit.locked([command_id])).get(command_id)
            seen = {} if held is None else await unit.directory.named(caller, [held.device_id])
            # A device that was deleted is nobody's; whoever sees all devices may still clear its queue.
            if held is None or (held.device_id not in seen and not caller.sees_all_devices):
                message = "there is no such command"
                raise NotFoundError(message, code="unknown_command")
            if held.device_id in seen and not seen[held.device_id].can_control:
                message = "this device may be seen, and not controlled"
                raise ForbiddenError(message, code="not_allowed")
            life = cancel(held.life)
            if life is None:
                raise _too_late(held)
            now = self.clock.now()
            changed = stepped(held, life, By("user", str(caller.user_id), caller.username), now)
            command = replace(changed.command, schedule=closed(held.schedule))
            await unit.save([Changed(command, changed.steps)])
            resource = AuditResource(type="command", id=str(command_id))
            after = {"device_id": held.device_id, "name": held.name}
            await unit.tell_audit([audit_event("commands", "command.cancelled", resource, now, after=after)])
        self.count("cancelled")
        return command


def _too_late(command: Command) -> ConflictError:
    if command.life.has_ended:
        message = f"it has ended already: {command.life.state.value}"
        return ConflictError(message, code="already_ended")
    message = "it was published: the device may have it, and may run it"
    return ConflictError(message, code="already_published")
