"""Keep a person's named dashboards: nobody else sees or changes them, whatever their role.

Guaranteed: whoever has dashboards has exactly one default; no change overwrites one that its author has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, NotFoundError
from pulse_chassis.preconditions import Precondition
from pulse_contracts.audit import AuditResource
from pulse_gateway.domain.saved_dashboard import MAX_DASHBOARDS, Dashboard, DashboardWish
from pulse_gateway.use_cases.personal_ports import PersonalStore, PersonalUnit

SERVICE = "gateway"


@dataclass(eq=False)
class KeepDashboards:
    """Lists, adds, replaces and deletes the dashboards of one person."""

    store: PersonalStore
    clock: Clock

    async def all(self, user_id: UUID) -> Sequence[Dashboard]:
        """Return a person's dashboards, the oldest first."""
        async with self.store.read() as reads:
            return await reads.dashboards(user_id)

    async def one(self, user_id: UUID, dashboard_id: UUID) -> Dashboard:
        """Return a dashboard. Raises NotFoundError, for somebody else's as well."""
        return _found(await self.all(user_id), dashboard_id)

    async def add(self, user_id: UUID, wish: DashboardWish) -> Dashboard:
        """Add a dashboard; the first one is the default. Raises ConflictError."""
        async with self.store.change() as unit:
            await unit.take_turn(user_id)
            mine = await unit.dashboards(user_id)
            if len(mine) >= MAX_DASHBOARDS:
                message = f"there are {MAX_DASHBOARDS} dashboards already"
                raise ConflictError(message, code="too_many_dashboards")
            _check_name(mine, wish.name, None)
            now = self.clock.now()
            is_default = bool(wish.is_default) or not mine
            made = Dashboard(uuid4(), user_id, wish.name, is_default, wish.document, 1, now, now)
            if is_default:
                await self._undo_default(unit, mine)
            await unit.save_dashboard(made)
            await self._tell(unit, "dashboard.created", made)
        return made

    async def replace(
        self, user_id: UUID, dashboard_id: UUID, wish: DashboardWish, expected: Precondition
    ) -> Dashboard:
        """Put a wish in the place of a dashboard.

        Raises NotFoundError, PreconditionFailedError, and ConflictError for a name that is taken or a default that
        nothing would take the place of.
        """
        async with self.store.change() as unit:
            await unit.take_turn(user_id)
            mine = await unit.dashboards(user_id)
            held = _found(mine, dashboard_id)
            expected.check(held.version)
            _check_name(mine, wish.name, dashboard_id)
            if held.is_default and wish.is_default is False:
                message = "make another dashboard the default; then this one is it no more"
                raise ConflictError(message, code="default_needed", field="body.is_default")
            changed = replace(
                held,
                name=wish.name,
                is_default=held.is_default or bool(wish.is_default),
                document=wish.document,
                version=held.version + 1,
                updated_at=self.clock.now(),
            )
            if changed.is_default and not held.is_default:
                await self._undo_default(unit, mine)
            await unit.save_dashboard(changed)
            await self._tell(unit, "dashboard.changed", changed)
        return changed

    async def delete(self, user_id: UUID, dashboard_id: UUID, expected: Precondition) -> None:
        """Delete a dashboard; the oldest of those left takes the place of a default.

        Raises NotFoundError, PreconditionFailedError.
        """
        async with self.store.change() as unit:
            await unit.take_turn(user_id)
            mine = await unit.dashboards(user_id)
            held = _found(mine, dashboard_id)
            expected.check(held.version)
            await unit.delete_dashboard(dashboard_id)
            left = [dashboard for dashboard in mine if dashboard.id != dashboard_id]
            if held.is_default and left:
                await unit.save_dashboard(
                    replace(left[0], is_default=True, version=left[0].version + 1, updated_at=self.clock.now())
                )
            await self._tell(unit, "dashboard.deleted", held)

    async def forget_strangers(self) -> None:
        """Delete what is kept for people who are gone. Raises UnavailableError."""
        async with self.store.change() as unit:
            await unit.forget_strangers()

    async def _undo_default(self, unit: PersonalUnit, mine: Sequence[Dashboard]) -> None:
        for held in mine:
            if held.is_default:
                await unit.save_dashboard(
                    replace(held, is_default=False, version=held.version + 1, updated_at=self.clock.now())
                )

    async def _tell(self, unit: PersonalUnit, action: str, dashboard: Dashboard) -> None:
        resource = AuditResource(type="dashboard", id=str(dashboard.id))
        after = {"name": dashboard.name, "is_default": dashboard.is_default}
        await unit.tell_audit(audit_event(SERVICE, action, resource, self.clock.now(), after=after))


def _found(mine: Sequence[Dashboard], dashboard_id: UUID) -> Dashboard:
    for dashboard in mine:
        if dashboard.id == dashboard_id:
            return dashboard
    message = "there is no such dashboard"
    raise NotFoundError(message, code="unknown_dashboard")


def _check_name(mine: Sequence[Dashboard], name: str, besides: UUID | None) -> None:
    if any(dashboard.name == name and dashboard.id != besides for dashboard in mine):
        message = "there is a dashboard of this name already"
        raise ConflictError(message, code="dashboard_exists", field="body.name")
