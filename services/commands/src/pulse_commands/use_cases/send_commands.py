"""Send one command to one device, to several, to a group or to all in scope.

Guaranteed: a command is signed once, and its token, its first step, the events and the batch are committed together or
not at all; a request that is sent again under the same Idempotency-Key sends nothing again, even when the first answer was
lost in a crash. A device that cannot be sent to is refused with a reason and does not keep the others from theirs.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, PulseError
from pulse_chassis.principal import Principal
from pulse_commands.domain.command import Batch, By, Changed, Command, Refused, Step
from pulse_commands.domain.life import NEW
from pulse_commands.domain.specifications import (
    ArgumentProblem,
    argument_problem,
    arguments_in_bounds,
    needed_permissions,
)
from pulse_commands.use_cases.authorise import authorise
from pulse_commands.use_cases.ports import Caller, CommandUnit, Count, Sign, Target, Turn, Work
from pulse_contracts.audit import AuditResource
from pulse_contracts.commands import BUILT_IN_COMMANDS, COMMAND_ISSUER, MAX_COMMAND_SECONDS
from pulse_contracts.commands import Command as SignedCommand
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import command as command_topic

SERVICE: Final = "commands"
MAX_DEVICES: Final = 1_000
REPEATED_WITHIN: Final = timedelta(hours=24)
MAX_AUDITED_BYTES: Final = 1024
"""Arguments beyond this are told to the audit log by their size only; the command itself keeps them."""
_STATUS: Final = {
    "unknown_device": 404,
    "not_allowed": 403,
    "device_disabled": 409,
    "queue_full": 429,
    "unknown_command": 422,
    "bad_arguments": 422,
}
_FULL_RETRY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done. Of `device_ids`, `group` and `all_in_scope` exactly one is given."""

    name: str
    args: dict[str, Any]
    ttl: timedelta
    device_ids: tuple[str, ...] = ()
    group: str | None = None
    all_in_scope: bool = False
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a wish."""

    batch: Batch
    commands: list[Command]


@dataclass(eq=False)
class SendCommands:
    """`wake` is told which devices have something new; at most `most_waiting` commands of a device are open."""

    work: Work
    sign: Sign
    wake: Callable[[Collection[str]], None]
    clock: Clock
    count: Count
    most_waiting: int

    async def __call__(self, principal: Principal, wish: Wish) -> Sent:
        """Send. Raises what the only device's refusal means, ForbiddenError, InvalidError, ConflictError."""
        problem = arguments_in_bounds(wish.args)
        if problem is not None:
            raise _wrong(problem)
        digest = _digest(principal, wish)
        async with self.work.change() as unit:
            caller = await authorise(unit.directory, principal, *needed_permissions(wish.name))
            now = self.clock.now()
            earlier = None if digest is None else await unit.earlier_batch(digest, now - REPEATED_WITHIN)
            sent = await self._send(unit, caller, wish, digest, now) if earlier is None else earlier
        if isinstance(sent, UUID):
            return await self._repeat(caller, sent)
        self.wake([command.device_id for command in sent.commands])
        self.count("sent", len(sent.commands))
        return sent

    async def _send(self, unit: CommandUnit, caller: Caller, wish: Wish, digest: bytes | None, now: datetime) -> Sent:
        targets, refused = await _targets(unit, caller, wish)
        fit, unfit = await _fit(unit, wish, targets)
        turns = await unit.take_turns(fit, int(now.timestamp() * 1000))
        full = [device_id for device_id in fit if turns[device_id].waiting >= self.most_waiting]
        refused += unfit
        refused += [
            Refused(device_id, "queue_full", f"{self.most_waiting} commands of this device wait already")
            for device_id in full
        ]
        ready = [device_id for device_id in fit if device_id not in set(full)]
        if not ready:
            raise _nothing_sent(refused)
        batch = Batch(uuid4(), caller.user_id, caller.username, wish.name, now, tuple(refused))
        commands = [_command(batch, wish, device_id, turns[device_id]) for device_id in ready]
        tokens = await asyncio.to_thread(self.sign, [_payload(command) for command in commands])
        by = By("user", str(caller.user_id), caller.username)
        added = [
            (Changed(command, (Step(uuid4(), command.id, NEW.state, now, by),)), token)
            for command, token in zip(commands, tokens, strict=True)
        ]
        await unit.add(batch, digest, added)
        await unit.tell_audit(
            [
                audit_event(
                    SERVICE, "command.sent", AuditResource(type="command", id=str(c.id)), now, after=_audited(c)
                )
                for c in commands
            ]
        )
        return Sent(batch, commands)

    async def _repeat(self, caller: Caller, batch_id: UUID) -> Sent:
        async with self.work.look() as reads:
            batch = await reads.batch(caller, batch_id)
            commands = await reads.batch_commands(batch_id)
        if batch is None:
            message = "this was sent before, and is gone by now"
            raise ConflictError(message, code="idempotent_answer_not_kept")
        return Sent(batch, commands)


async def _targets(unit: CommandUnit, caller: Caller, wish: Wish) -> tuple[list[Target], list[Refused]]:
    refused: list[Refused] = []
    if wish.device_ids:
        seen = await unit.directory.named(caller, wish.device_ids)
        wanted = list(dict.fromkeys(wish.device_ids))
        refused += [Refused(d, "unknown_device", "there is no such device") for d in wanted if d not in seen]
        targets = [seen[device_id] for device_id in wanted if device_id in seen]
    else:
        targets = await unit.directory.grouped(caller, wish.group, MAX_DEVICES + 1)
        if len(targets) > MAX_DEVICES:
            message = f"these are more than {MAX_DEVICES} devices: send in parts"
            raise InvalidError(message, code="too_many_devices")
        if not targets:
            message = "there is no such device in your scope"
            raise InvalidError(message, code="no_devices", field="body.group" if wish.group else "body.all_in_scope")
    refused += [
        Refused(target.device_id, "not_allowed", "this device may be seen, and not controlled")
        for target in targets
        if not target.can_control
    ]
    refused += [
        Refused(target.device_id, "device_disabled", "this device is disabled")
        for target in targets
        if target.can_control and not target.is_active
    ]
    return [target for target in targets if target.can_control and target.is_active], refused


async def _fit(unit: CommandUnit, wish: Wish, targets: Sequence[Target]) -> tuple[list[str], list[Refused]]:
    """Return the devices that understand the command, and those that don't."""
    device_ids = [target.device_id for target in targets]
    built_in = BUILT_IN_COMMANDS.get(wish.name)
    if built_in is not None:
        problem = argument_problem(built_in, wish.args)
        if problem is not None:
            raise _wrong(problem)
        return device_ids, []
    declared = await unit.declarations(device_ids)
    fit: list[str] = []
    refused: list[Refused] = []
    for device_id in device_ids:
        specs = declared[device_id].specs if device_id in declared else ()
        spec = next((spec for spec in specs if spec.name == wish.name), None)
        if spec is None:
            refused.append(Refused(device_id, "unknown_command", "this device knows no such command"))
            continue
        problem = argument_problem(spec, wish.args)
        if problem is None:
            fit.append(device_id)
        else:
            detail = f"{problem.argument} {problem.reason}"
            refused.append(Refused(device_id, "bad_arguments", detail, f"body.args.{problem.argument}"))
    return fit, refused


def _command(batch: Batch, wish: Wish, device_id: str, turn: Turn) -> Command:
    now = batch.created_at.timestamp()
    # Whole seconds, and never fewer than were asked for, up to what a device takes.
    expires_at = min(math.ceil(now + wish.ttl.total_seconds()), int(now) + MAX_COMMAND_SECONDS)
    return Command(
        id=uuid4(),
        batch_id=batch.id,
        device_id=device_id,
        name=wish.name,
        args=wish.args,
        counter=turn.counter,
        actor_id=batch.actor_id,
        actor_name=batch.actor_name,
        created_at=batch.created_at,
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        life=NEW,
        updated_at=batch.created_at,
    )


def _payload(command: Command) -> bytes:
    signed = SignedCommand(
        iss=COMMAND_ISSUER,
        aud=command.device_id,
        topic=command_topic(ClientId(command.device_id)),
        jti=command.id,
        cnt=command.counter,
        iat=int(command.created_at.timestamp()),
        exp=int(command.expires_at.timestamp()),
        name=command.name,
        args=command.args,
        actor=command.actor_id,
    )
    return signed.model_dump_json().encode()


def _audited(command: Command) -> Mapping[str, Any]:
    size = len(json.dumps(command.args).encode())
    args = command.args if size <= MAX_AUDITED_BYTES else {"bytes": size}
    return {
        "device_id": command.device_id,
        "name": command.name,
        "args": args,
        "batch_id": str(command.batch_id),
        "expires_at": command.expires_at.isoformat(),
    }


def _digest(principal: Principal, wish: Wish) -> bytes | None:
    if wish.request_key is None:
        return None
    said = [wish.name, wish.args, wish.ttl.total_seconds(), wish.device_ids, wish.group, wish.all_in_scope]
    text = json.dumps([str(principal.user_id), wish.request_key, said], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def _wrong(problem: ArgumentProblem) -> InvalidError:
    field = "body.args" + (f".{problem.argument}" if problem.argument else "")
    return InvalidError(f"{problem.argument or 'args'} {problem.reason}", code="bad_arguments", field=field)


def _nothing_sent(refused: Sequence[Refused]) -> PulseError:
    codes = {one.code for one in refused}
    if len(codes) > 1:
        said = ", ".join(f"{sum(one.code == code for one in refused)} {code}" for code in sorted(codes))
        return InvalidError(f"no device took it: {said}", code="nothing_sent")
    first = refused[0]
    many = f" ({len(refused)} devices)" if len(refused) > 1 else ""
    retry_after = _FULL_RETRY_SECONDS if first.code == "queue_full" else None
    field = first.field or ("body.name" if first.code == "unknown_command" else "body.device_ids")
    return PulseError(first.code, first.detail + many, _STATUS[first.code], field=field, retry_after=retry_after)
