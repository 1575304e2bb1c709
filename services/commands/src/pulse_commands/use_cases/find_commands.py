"""Show commands, batches and refusals of the devices in the caller's scope."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pulse_chassis.errors import NotFoundError
from pulse_chassis.principal import Principal
from pulse_commands.domain.command import Batch, Command, Step
from pulse_commands.domain.queries import CommandFilter, Page
from pulse_commands.use_cases.authorise import authorise
from pulse_commands.use_cases.ports import RefusalCount, Work
from pulse_contracts.permissions import Permission


@dataclass(eq=False)
class FindCommands:
    """What is not in scope is answered like what is not there."""

    work: Work

    async def page(self, principal: Principal, wanted: CommandFilter, page: Page) -> list[tuple[int, Command]]:
        """Return a page, newest first, each with its place, which is the cursor of what follows."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.COMMANDS_READ)
            return await reads.page(caller, wanted, page)

    async def one(self, principal: Principal, command_id: UUID) -> tuple[Command, list[Step]]:
        """Return a command with its steps. Raises NotFoundError."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.COMMANDS_READ)
            found = await reads.one(caller, command_id)
            if found is None:
                message = "there is no such command"
                raise NotFoundError(message, code="unknown_command")
            return found, await reads.steps(command_id)

    async def batch(self, principal: Principal, batch_id: UUID) -> Batch:
        """Return a batch with its counts. Raises NotFoundError."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.COMMANDS_READ)
            found = await reads.batch(caller, batch_id)
        if found is None:
            message = "there is no such batch"
            raise NotFoundError(message, code="unknown_batch")
        return found

    async def refusals(self, principal: Principal, device_id: str | None, page: Page) -> list[RefusalCount]:
        """Return what devices and the service refused, newest first."""
        async with self.work.look() as reads:
            caller = await authorise(reads.directory, principal, Permission.COMMANDS_READ)
            return await reads.refusals(caller, device_id, page)
