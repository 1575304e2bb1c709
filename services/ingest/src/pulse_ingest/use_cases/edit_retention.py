"""Reads, sets and removes the rules of retention; the audit log's line is in the same transaction.

What has gone does not come back when a rule is made longer; what a shorter rule ends goes within minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
)
from pulse_chassis.preconditions import Precondition
from pulse_chassis.principal import Principal
from pulse_contracts.audit import AuditEvent, AuditResource
from pulse_contracts.permissions import Permission
from pulse_ingest.domain.retention import MAX_RULES, KeptDays, RetentionRule, RetentionScope

SERVICE = "ingest"


class RetentionUnit(Protocol):
    """One transaction with the rules."""

    async def rules(self, seen_by: str | None) -> Sequence[RetentionRule]:
        """Return all rules in order of scope; with `seen_by` no rule of a device outside of that user's scope."""
        ...

    async def find(self, scope: RetentionScope) -> RetentionRule | None:
        """Return the rule of exactly this scope, locked until the transaction ends."""
        ...

    async def count(self) -> int:
        """Return how many rules there are."""
        ...

    async def write(self, rule: RetentionRule) -> None:
        """Add or replace a rule."""
        ...

    async def delete(self, scope: RetentionScope) -> None:
        """Delete a rule."""
        ...

    async def tell_audit(self, event: AuditEvent) -> None:
        """Tell the audit log, if this transaction commits."""
        ...


class RetentionStore(Protocol):
    """Where the rules are kept."""

    def work(self) -> AbstractAsyncContextManager[RetentionUnit]:
        """Give a transaction in which rules are changed by nobody else. Raises UnavailableError."""
        ...


class EditRetention:
    """The rules, as people see and change them."""

    def __init__(self, store: RetentionStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def rules(self, principal: Principal) -> Sequence[RetentionRule]:
        """Return the rules that somebody may see: those of devices only of their own."""
        async with self._store.work() as unit:
            return await unit.rules(_limited_to(principal))

    async def read(self, principal: Principal, scope: RetentionScope) -> RetentionRule:
        """Return one rule. Raises NotFoundError."""
        for rule in await self.rules(principal):
            if rule.scope == scope:
                return rule
        raise _no_rule()

    async def put(
        self, principal: Principal, scope: RetentionScope, kept: KeptDays, expected: Precondition | None
    ) -> tuple[RetentionRule, bool]:
        """Set a rule; return it and whether it is new. Without `expected` it must be new.

        Raises ForbiddenError, InvalidError, PreconditionRequiredError, PreconditionFailedError, ConflictError.
        """
        _check_may_write(principal)
        problem = kept.problem()
        if problem is not None:
            raise InvalidError(problem, code="retention_out_of_order", field="body")
        async with self._store.work() as unit:
            known = await unit.find(scope)
            if known is None and expected is not None and expected.versions is not None:
                message = "there is no rule of this scope any more"
                raise PreconditionFailedError(message, field="If-Match")
            if known is not None and expected is None:
                message = "there is a rule of this scope: say with If-Match which version you mean"
                raise PreconditionRequiredError(message, field="If-Match")
            if known is not None and expected is not None:
                expected.check(known.version)
            if known is None and await unit.count() >= MAX_RULES:
                message = f"there are {MAX_RULES} rules already"
                raise ConflictError(message, code="too_many_retention_rules")
            version = 1 if known is None else known.version + 1
            rule = RetentionRule(scope, kept, version, self._clock.now(), principal.username)
            await unit.write(rule)
            await unit.tell_audit(
                audit_event(
                    SERVICE,
                    "retention_rule.created" if known is None else "retention_rule.changed",
                    AuditResource(type="retention_rule", id=scope.name),
                    rule.updated_at,
                    before=None if known is None else _told(known),
                    after=_told(rule),
                )
            )
            return rule, known is None

    async def delete(self, principal: Principal, scope: RetentionScope, expected: Precondition) -> None:
        """Remove a rule. Raises ForbiddenError, NotFoundError, PreconditionFailedError."""
        _check_may_write(principal)
        async with self._store.work() as unit:
            known = await unit.find(scope)
            if known is None:
                raise _no_rule()
            expected.check(known.version)
            await unit.delete(scope)
            await unit.tell_audit(
                audit_event(
                    SERVICE,
                    "retention_rule.deleted",
                    AuditResource(type="retention_rule", id=scope.name),
                    self._clock.now(),
                    before=_told(known),
                )
            )


def _limited_to(principal: Principal) -> str | None:
    return None if Permission.DEVICES_ALL in principal.permissions else str(principal.user_id)


def _check_may_write(principal: Principal) -> None:
    """A rule deletes readings for good: only who may see every device makes one."""
    if Permission.DEVICES_ALL not in principal.permissions:
        message = f"this needs {Permission.DEVICES_ALL.value} as well"
        raise ForbiddenError(message)


def _no_rule() -> NotFoundError:
    message = "there is no rule of this scope"
    return NotFoundError(message, code="retention_rule_not_found")


def _told(rule: RetentionRule) -> dict[str, int | None]:
    return {"raw_days": rule.kept.raw, "minute_days": rule.kept.minute, "hour_days": rule.kept.hour}
