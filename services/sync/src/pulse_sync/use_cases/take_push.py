"""Takes a desktop's operations: each to the owner of its row, in their order, each outcome logged and answered once.

Guaranteed: an operation that this desktop did not sign, or on a row outside its scope, reaches nobody; an answer shows
no row outside the scope; one bad operation stops no other; a push that comes again gets the same outcomes, and nothing
is logged twice. When identity is away nothing is lost: the desktop is
told to try later, and what was applied by then is idempotent.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from pulse_chassis.clock import Clock
from pulse_chassis.errors import PulseError
from pulse_chassis.logging import get_logger
from pulse_chassis.signatures import SignatureError, TrustedKeys
from pulse_contracts.operations import (
    MAX_OPERATION_BYTES,
    OPERATION_TYPE,
    EditableEntity,
    Operation,
    OperationOutcome,
    OutcomeKind,
)
from pulse_contracts.sync import Push
from pulse_sync.domain.rows import RowKey
from pulse_sync.use_cases.absorb_changes import AbsorbChanges, Hints
from pulse_sync.use_cases.ports import (
    ConfigOwner,
    Desktop,
    DesktopBook,
    OutcomeNote,
    PeopleOwner,
    ScopeReader,
    StateNews,
)

RETRY_MS: Final = 2_000
_log = get_logger("take_push")


@dataclass(frozen=True, slots=True)
class _Signed:
    token: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Owners:
    """Who applies an edit, by what it is about."""

    people: PeopleOwner
    config: ConfigOwner


class TakePush:
    """Applies pushes."""

    def __init__(
        self,
        scopes: ScopeReader,
        absorb: AbsorbChanges,
        owners: Owners,
        book: DesktopBook,
        news: StateNews,
        clock: Clock,
    ) -> None:
        self._scopes = scopes
        self._absorb = absorb
        self._owners = owners
        self._book = book
        self._news = news
        self._clock = clock

    async def __call__(self, desktop: Desktop, push: Push) -> dict[str, Any]:
        """Return the answer, or the refusal, without its envelope. Raises UnavailableError."""
        signed, rejected = _open_all(desktop, push.operations)
        allowed, foreign = await self._within_scope(desktop.device_id, signed)
        try:
            done = foreign + await self._apply_all(desktop, allowed)
        except PulseError as error:
            # Away, or (a desktop that was removed meanwhile) refused as a whole: nothing is known of any operation.
            _log.warning("push_postponed", desktop=desktop.device_id, code=error.code, reason=error.message)
            return {
                "type": "refused",
                "req": push.req,
                "code": "try_later",
                "detail": "the owner of these rows is away",
                "retry_after_ms": RETRY_MS,
            }
        notes = [*((None, outcome) for outcome in rejected), *done]
        conflicts = await self._book.note_outcomes(desktop.device_id, notes, self._clock.now())
        outcomes = sorted((outcome for _, outcome in notes), key=lambda outcome: outcome.op_no)
        shown = await self._shown_rows(desktop.device_id, outcomes)
        self._news.note_desktop(desktop.device_id)
        return {
            "type": "answer",
            "req": push.req,
            "outcomes": [_told(outcome, conflicts, shown) for outcome in outcomes],
        }

    async def _within_scope(self, device_id: str, signed: Sequence[_Signed]) -> tuple[list[_Signed], list[OutcomeNote]]:
        """Return the operations on rows that this desktop may edit, and rejections of those on others.

        One that the owner has taken before goes there again, to have its answer repeated, also when its row has left the
        scope since. Config has its own rule.
        """
        edits = [one for one in signed if one.operation.entity is not EditableEntity.CONFIG]
        changes = [one for one in edits if one.operation.base_version > 0]
        known = await self._scopes.known_rows(device_id, {_key(one.operation) for one in changes})
        doubtful = {one.operation.op_id for one in changes if _key(one.operation) not in known}
        if not doubtful:
            return list(signed), []
        doubtful -= await self._book.accepted(device_id, doubtful)
        foreign: list[OutcomeNote] = [
            (one.operation, _out_of_scope(one.operation)) for one in signed if one.operation.op_id in doubtful
        ]
        return [one for one in signed if one.operation.op_id not in doubtful], foreign

    async def _shown_rows(self, device_id: str, outcomes: Sequence[OperationOutcome]) -> frozenset[RowKey]:
        """Return which of the rows in these outcomes the desktop may see.

        A row that was made just now is in its scope, and in the log only when its event comes: it is taken in at once.
        Else the desktop is answered without it, drops it until the next page, and refuses what was edited of it since.
        """
        keys = {(outcome.row.entity, outcome.row.id) for outcome in outcomes if outcome.row is not None}
        known = dict(await self._scopes.known_rows(device_id, keys))
        news = {key for key in keys - known.keys() if key[0] != "config"}
        if news:
            await self._absorb(Hints(rows=frozenset(news)))
            known |= await self._scopes.known_rows(device_id, news)
        return frozenset(key for key, is_live in known.items() if is_live)

    async def _apply_all(self, desktop: Desktop, signed: Sequence[_Signed]) -> list[OutcomeNote]:
        done: list[OutcomeNote] = []
        in_order = sorted(signed, key=lambda one: one.operation.op_no)
        for is_config, run in itertools.groupby(
            in_order, key=lambda one: one.operation.entity is EditableEntity.CONFIG
        ):
            group = list(run)
            if is_config:
                done += [(one.operation, await self._owners.config.apply(desktop, one.operation)) for one in group]
                continue
            outcomes = await self._owners.people.apply(desktop.device_id, [one.token for one in group])
            done += [(one.operation, outcome) for one, outcome in zip(group, outcomes, strict=True)]
        return done


def _open_all(desktop: Desktop, tokens: Sequence[str]) -> tuple[list[_Signed], list[OperationOutcome]]:
    """Return the operations that this desktop signed, and rejections of the others as far as they can be named."""
    keys = TrustedKeys([desktop.sign_jwk])
    signed, rejected = [], []
    for token in tokens:
        try:
            payload = keys.open(token, OPERATION_TYPE, max_chars=MAX_OPERATION_BYTES)
            operation = Operation.model_validate_json(payload)
            if operation.desktop_id != desktop.device_id:
                raise SignatureError("wrong_desktop", "this operation is another desktop's")
        except SignatureError as error:
            rejected += _rejection(desktop, token, error.code, str(error))
        except ValidationError as error:
            detail = error.errors(include_input=False, include_url=False, include_context=False)[0]["msg"]
            rejected += _rejection(desktop, token, "malformed", detail)
        else:
            signed.append(_Signed(token, operation))
    return signed, rejected


def _rejection(desktop: Desktop, token: str, code: str, detail: str) -> list[OperationOutcome]:
    """Return the rejection of an operation that says at least its id and number, so that its queue is emptied."""
    _log.warning("operation_not_taken", desktop=desktop.device_id, code=code)
    try:
        claims = json.loads(_claimed(token))
        op_id, op_no = UUID(claims["op_id"]), int(claims["op_no"])
    except (zlib.error, IndexError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return []
    return [OperationOutcome(op_id=op_id, op_no=op_no, outcome=OutcomeKind.REJECTED, code=code, detail=detail[:256])]


def _claimed(token: str) -> bytes:
    """Return the payload of a token, proven by nothing; raises ValueError (binascii's too), IndexError, zlib.error."""
    head, payload = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")[:2])
    is_deflated = json.loads(head).get("zip") == "DEF"
    return zlib.decompressobj().decompress(payload, MAX_OPERATION_BYTES) if is_deflated else payload


def _told(outcome: OperationOutcome, conflicts: Mapping[UUID, UUID], shown: frozenset[RowKey]) -> dict[str, Any]:
    told = outcome.model_dump(mode="json", exclude={"conflict", "conflict_id", "row"}, exclude_none=True)
    if outcome.row is not None and (outcome.row.entity, outcome.row.id) in shown:
        told["row"] = outcome.row.model_dump(mode="json")
        if outcome.conflict is not None:
            told["conflict"] = outcome.conflict.model_dump(mode="json")
    if outcome.op_id in conflicts:
        told["conflict_id"] = str(conflicts[outcome.op_id])
    return told


def _key(operation: Operation) -> RowKey:
    return operation.entity.value, operation.id


def _out_of_scope(operation: Operation) -> OperationOutcome:
    return OperationOutcome(
        op_id=operation.op_id,
        op_no=operation.op_no,
        outcome=OutcomeKind.REJECTED,
        code="out_of_scope",
        detail="this row is not in the scope of this desktop",
    )
