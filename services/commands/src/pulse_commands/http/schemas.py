"""The shapes of requests and answers. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pulse_commands.domain.command import Batch, Command, Refused, Step
from pulse_commands.domain.queries import CommandFilter
from pulse_commands.use_cases.ports import RefusalCount
from pulse_commands.use_cases.read_catalogue import Catalogue, Offered
from pulse_commands.use_cases.send_commands import MAX_DEVICES, Sent, Wish
from pulse_contracts.commands import (
    COMMAND_SECONDS,
    MAX_COMMAND_SECONDS,
    CommandError,
    CommandName,
    CommandState,
)
from pulse_contracts.configuration import MAX_GROUP_CHARS
from pulse_contracts.frames import LivePosition
from pulse_contracts.ids import ClientIdField
from pulse_contracts.value_specs import ValueSpec

MAX_CURSOR = 2**63 - 1
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_GROUP_CHARS, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = "is outside of the calendar in UTC"
        raise ValueError(message) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Answer(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class SendBody(BaseModel):
    """What shall be done, by whom: exactly one of `device_ids`, `group` and `all_in_scope`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"name": "PING", "device_ids": ["sensor_01"]},
                {"name": "CHANGE_INTERVAL", "args": {"interval_ms": 500}, "group": "hall", "ttl_s": 600},
            ]
        },
    )

    name: CommandName
    args: Annotated[dict[str, Any], Field(max_length=32)] = {}
    ttl_s: Annotated[int, Field(ge=1, le=MAX_COMMAND_SECONDS, description="seconds for which it may be begun")] = (
        COMMAND_SECONDS
    )
    device_ids: Annotated[list[ClientIdField] | None, Field(min_length=1, max_length=MAX_DEVICES)] = None
    group: GroupName | None = None
    all_in_scope: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_aim(self) -> SendBody:
        given = [aim for aim in (self.device_ids, self.group, self.all_in_scope) if aim is not None]
        if len(given) != 1:
            message = "give exactly one of device_ids, group and all_in_scope"
            raise ValueError(message)
        return self

    def wish(self, request_key: str | None) -> Wish:
        """Return what is wanted."""
        return Wish(
            name=self.name,
            args=self.args,
            ttl=timedelta(seconds=self.ttl_s),
            device_ids=tuple(self.device_ids or ()),
            group=self.group,
            all_in_scope=self.all_in_scope is not None,
            request_key=request_key,
        )


class RefusedDevice(Answer):
    """A device that the command was not sent to."""

    device_id: str
    code: Annotated[
        str,
        Field(description="unknown_device, not_allowed, device_disabled, queue_full, unknown_command or bad_arguments"),
    ]
    detail: str

    @classmethod
    def of(cls, refused: Refused) -> RefusedDevice:
        """Return the answer for a refusal."""
        return cls(device_id=refused.device_id, code=refused.code, detail=refused.detail)


class CommandItem(Answer):
    """A command; its arguments, result and steps are on `GET /api/commands/{id}`."""

    id: UUID
    batch_id: UUID
    device_id: str
    name: str
    state: CommandState
    actor_id: UUID
    actor_name: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    published_at: Annotated[datetime | None, Field(description="the last time; it is published again until answered")]
    progress: Annotated[float | None, Field(description="0 to 1, as far as the device says")]
    message: str | None
    error: CommandError | None

    @classmethod
    def of(cls, command: Command) -> CommandItem:
        """Return the answer for a command."""
        return cls(**_fields(command))


class StepAnswer(Answer):
    """One step: what the command became, when, and by whom."""

    id: UUID
    state: CommandState
    at: datetime
    device_at: Annotated[datetime | None, Field(description="by the device's clock, for a step that it reported")]
    actor_kind: Literal["user", "device", "service"]
    actor_id: str | None
    actor_name: str | None
    progress: float | None
    detail: str | None
    error_code: str | None

    @classmethod
    def of(cls, step: Step) -> StepAnswer:
        """Return the answer for a step."""
        return cls(
            id=step.id,
            state=step.state,
            at=step.at,
            device_at=step.told_at,
            actor_kind=step.by.kind,
            actor_id=step.by.id,
            actor_name=step.by.name,
            progress=step.progress,
            detail=step.detail,
            error_code=step.error_code,
        )


class CommandDetail(CommandItem):
    """A command with everything that is known of it."""

    args: dict[str, Any]
    result: Any
    steps: list[StepAnswer]

    @classmethod
    def with_steps(cls, command: Command, steps: list[Step]) -> CommandDetail:
        """Return the answer for a command with its steps."""
        return cls(
            **_fields(command), args=command.args, result=command.result, steps=[StepAnswer.of(step) for step in steps]
        )


class SentAnswer(Answer):
    """What was sent, and to whom it was not."""

    batch_id: UUID
    commands: list[CommandItem]
    refused: list[RefusedDevice]

    @classmethod
    def of(cls, sent: Sent) -> SentAnswer:
        """Return the answer."""
        return cls(
            batch_id=sent.batch.id,
            commands=[CommandItem.of(command) for command in sent.commands],
            refused=[RefusedDevice.of(refused) for refused in sent.batch.refused],
        )


class CommandPage(Answer):
    """Commands, newest first; `live` is where the topic `commands` goes on, null while it cannot be told."""

    items: list[CommandItem]
    next_cursor: Annotated[int | None, Field(description="give it as `cursor` for the page after; null: the end")]
    live: LivePosition | None


class BatchAnswer(Answer):
    """What one request sent; counts are of the commands that the caller sees, `refused` is for its sender alone."""

    id: UUID
    name: str
    actor_id: UUID
    actor_name: str
    created_at: datetime
    total: int
    counts: dict[CommandState, int]
    refused: list[RefusedDevice]

    @classmethod
    def of(cls, batch: Batch) -> BatchAnswer:
        """Return the answer for a batch."""
        return cls(
            id=batch.id,
            name=batch.name,
            actor_id=batch.actor_id,
            actor_name=batch.actor_name,
            created_at=batch.created_at,
            total=sum(batch.counts.values()),
            counts=batch.counts,
            refused=[RefusedDevice.of(refused) for refused in batch.refused],
        )


class OfferedCommand(Answer):
    """A command that there is."""

    name: str
    description: str
    arguments: dict[str, ValueSpec]
    is_built_in: bool
    needs: Annotated[list[str], Field(description="permissions, beside control of the device")]
    may_send: bool

    @classmethod
    def of(cls, offered: Offered) -> OfferedCommand:
        """Return the answer for an offer."""
        return cls(
            name=offered.spec.name,
            description=offered.spec.description,
            arguments=offered.spec.arguments,
            is_built_in=offered.is_built_in,
            needs=[permission.value for permission in offered.needs],
            may_send=offered.may_send,
        )


class CatalogueAnswer(Answer):
    """All commands that there are, for a device or in general."""

    items: list[OfferedCommand]
    reported_at: Annotated[datetime | None, Field(description="when the device declared its own; null: never")]

    @classmethod
    def of(cls, catalogue: Catalogue) -> CatalogueAnswer:
        """Return the answer for a catalogue."""
        return cls(items=[OfferedCommand.of(item) for item in catalogue.items], reported_at=catalogue.reported_at)


class RefusalItem(Answer):
    """Refusals of one kind within a minute; `detail` and `jti` are the last one's. `jti` proves nothing."""

    id: int
    device_id: str
    refused_by: Annotated[
        Literal["device", "service"], Field(description="device: on its command topic; service: on its status topic")
    ]
    code: str
    detail: str
    jti: str | None
    first_at: datetime
    last_at: datetime
    count: int

    @classmethod
    def of(cls, counted: RefusalCount) -> RefusalItem:
        """Return the answer for counted refusals."""
        last = counted.last
        return cls(
            id=counted.id,
            device_id=last.device_id,
            refused_by=last.side,
            code=last.code,
            detail=last.detail,
            jti=last.jti,
            first_at=counted.first_at,
            last_at=last.at,
            count=counted.count,
        )


class RefusalPage(Answer):
    """What was refused, newest first."""

    items: list[RefusalItem]
    next_cursor: Annotated[int | None, Field(description="give it as `cursor` for the page after; null: the end")]


class Part(BaseModel):
    """Query parameters of a list; one that is not known is an error, because a misspelt filter would show too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    cursor: Annotated[int | None, Field(ge=1, le=MAX_CURSOR, description="`next_cursor` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    device_id: ClientIdField | None = None


class CommandParameters(Part):
    """Which commands."""

    state: Annotated[list[CommandState], Field(max_length=10, description="repeat it for several")] = []
    name: CommandName | None = None
    batch_id: UUID | None = None
    actor_id: UUID | None = None
    from_: Annotated[Moment | None, Field(alias="from", description="sent at or after")] = None
    to: Annotated[Moment | None, Field(description="sent before")] = None

    def wanted(self) -> CommandFilter:
        """Return the filter."""
        return CommandFilter(
            device_id=self.device_id,
            states=tuple(self.state),
            name=self.name,
            batch_id=self.batch_id,
            actor_id=self.actor_id,
            start=self.from_,
            end=self.to,
        )


def _fields(command: Command) -> dict[str, Any]:
    return {
        "id": command.id,
        "batch_id": command.batch_id,
        "device_id": command.device_id,
        "name": command.name,
        "state": command.life.state,
        "actor_id": command.actor_id,
        "actor_name": command.actor_name,
        "created_at": command.created_at,
        "updated_at": command.updated_at,
        "expires_at": command.expires_at,
        "published_at": command.schedule.published_at,
        "progress": command.life.progress,
        "message": command.life.message,
        "error": command.error,
    }
