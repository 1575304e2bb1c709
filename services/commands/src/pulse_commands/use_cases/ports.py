"""What the use cases need of the outside, as roles; `storage` and `messaging` play them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from pulse_commands.domain.asking import Patience
from pulse_commands.domain.command import Batch, Changed, Command, Step
from pulse_commands.domain.queries import CommandFilter, Page
from pulse_contracts.audit import AuditEvent
from pulse_contracts.commands import CommandSpec
from pulse_contracts.permissions import Permission


@dataclass(frozen=True, slots=True)
class Caller:
    """A user with the rights that hold now."""

    user_id: UUID
    username: str
    permissions: frozenset[str]

    @property
    def sees_all_devices(self) -> bool:
        """Whether every device is in scope, whoever owns it."""
        return Permission.DEVICES_ALL in self.permissions


@dataclass(frozen=True, slots=True)
class Target:
    """A device that a caller sees."""

    device_id: str
    is_active: bool
    can_control: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A device's next counter, and how many of its commands have not ended."""

    counter: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Declaration:
    """The commands that a device declared of its own, and when."""

    specs: tuple[CommandSpec, ...]
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A command to be published, for the first time or again, as it was seen without a lock."""

    command_id: UUID
    device_id: str
    token: str
    expires_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is due: now, since when the broker is there, and how long a publish is given at least."""

    now: datetime
    connected_at: datetime
    retry: timedelta


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not taken: by a device what came on its command topic, by us what came on its status topic."""

    device_id: str
    side: Literal["device", "service"]
    code: str
    detail: str
    at: datetime
    jti: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """Refusals of one kind within a minute; `detail` and `jti` are those of the last."""

    id: int
    last: Refusal
    first_at: datetime
    count: int


class Directory(Protocol):
    """Who may do what with which device, as identity publishes it."""

    async def caller(self, user_id: UUID) -> Caller | None:
        """Return an active user with the rights of now; None when there is none."""
        ...

    async def named(self, caller: Caller, device_ids: Collection[str]) -> dict[str, Target]:
        """Return those of these devices that the caller sees, by id."""
        ...

    async def grouped(self, caller: Caller, group: str | None, limit: int) -> list[Target]:
        """Return the devices of a group (None: all) that the caller sees, by id, at most `limit`."""
        ...


class CommandUnit(Protocol):
    """One transaction."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def declarations(self, device_ids: Collection[str]) -> dict[str, Declaration]:
        """Return what these devices declared, by id."""
        ...

    async def declare(self, device_id: str, declaration: Declaration) -> None:
        """Replace what a device declared."""
        ...

    async def earlier_batch(self, digest: bytes, since: datetime) -> UUID | None:
        """Return the batch that the same request made since then."""
        ...

    async def take_turns(self, device_ids: Collection[str], floor: int) -> dict[str, Turn]:
        """Count up, at least to `floor`, and hold the devices' turns until the transaction ends."""
        ...

    async def add(self, batch: Batch, digest: bytes | None, added: Sequence[tuple[Changed, str]]) -> None:
        """Add a batch with its commands and their tokens. Raises ConflictError when the request was made already."""
        ...

    async def locked(self, ids: Collection[UUID], *, skip: bool = False) -> dict[UUID, Command]:
        """Return these commands, held until the transaction ends; with `skip` without those that somebody holds."""
        ...

    async def save(self, changes: Sequence[Changed]) -> None:
        """Write changed commands, their steps, and tell the streams."""
        ...

    async def due(self, moment: Moment, device_ids: Collection[str] | None, limit: int) -> list[Due]:
        """Return what is to be published to devices that are there (of these, or any)."""
        ...

    async def barred(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of these commands whose sender may not send them any more."""
        ...

    async def overdue(self, now: datetime, patience: Patience, limit: int) -> list[Command]:
        """Return, held, the open commands whose time is over; those that somebody holds are left out."""
        ...

    async def note_refusals(self, refusals: Sequence[Refusal]) -> list[Refusal]:
        """Count refusals; return those that are the first of their kind within their minute."""
        ...

    async def tell_audit(self, events: Sequence[AuditEvent]) -> None:
        """Tell the audit log when, and only if, the transaction commits."""
        ...

    async def forget(self, commands_before: datetime, refusals_before: datetime, limit: int) -> int:
        """Delete ended commands and refusals that are older; return how many rows."""
        ...


class CommandReads(Protocol):
    """One view of the data for somebody who reads, within their scope."""

    @property
    def directory(self) -> Directory:
        """Rights and devices."""
        ...

    async def declarations(self, device_ids: Collection[str]) -> dict[str, Declaration]:
        """Return what these devices declared, by id."""
        ...

    async def page(self, caller: Caller, wanted: CommandFilter, page: Page) -> list[tuple[int, Command]]:
        """Return a page, newest first, each with its place."""
        ...

    async def one(self, caller: Caller, command_id: UUID) -> Command | None:
        """Return a command in scope."""
        ...

    async def steps(self, command_id: UUID) -> list[Step]:
        """Return a command's steps in their order."""
        ...

    async def batch(self, caller: Caller, batch_id: UUID) -> Batch | None:
        """Return a batch of the caller, or one with a command in scope."""
        ...

    async def batch_commands(self, batch_id: UUID) -> list[Command]:
        """Return all commands of a batch, by device."""
        ...

    async def refusals(self, caller: Caller, device_id: str | None, page: Page) -> list[RefusalCount]:
        """Return a page of refusals of devices in scope, newest first."""
        ...


class Work(Protocol):
    """Begins transactions. What they raise when the database is away is UnavailableError."""

    def change(self) -> AbstractAsyncContextManager[CommandUnit]:
        """Give a transaction; it commits at the end of the block."""
        ...

    def look(self) -> AbstractAsyncContextManager[CommandReads]:
        """Give a view that cannot write."""
        ...


class Downlink(Protocol):
    """The way to the devices."""

    @property
    def connected_at(self) -> datetime | None:
        """Since when the link is up; None while it is down."""
        ...

    async def send(self, device_id: str, token: str, keep_seconds: int) -> bool:
        """Hand a token to the broker, which keeps it this long for a device that is away; False: it was not taken."""
        ...


class Sign(Protocol):
    """Signs commands."""

    def __call__(self, payloads: Sequence[bytes]) -> list[str]:
        """Return the token of each payload. Takes a while: call it in a thread."""
        ...


CounterName = Literal[
    "sent",
    "cancelled",
    "published",
    "asked_again",
    "publishes_failed",
    "expired",
    "given_up",
    "reports_taken",
    "reports_refused",
    "reports_dropped",
    "refused_by_devices",
]


class Count(Protocol):
    """Counts what happened, for the metrics."""

    def __call__(self, name: CounterName, amount: int = 1) -> None:
        """Count."""
        ...


class Receipts(Protocol):
    """Who acknowledges to the broker."""

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """Say that these messages were dealt with."""
        ...


class RefusalAudit(Protocol):
    """Who tells the audit log of refusals, many alike as one."""

    def note(self, refusal: Refusal) -> None:
        """Tell."""
        ...
