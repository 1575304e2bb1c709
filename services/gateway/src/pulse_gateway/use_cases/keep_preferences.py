"""Keep how a person wants the product to look."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pulse_chassis.audit_events import audit_event
from pulse_chassis.clock import Clock
from pulse_chassis.preconditions import Precondition
from pulse_contracts.audit import AuditResource
from pulse_gateway.domain.saved_dashboard import Document, Preferences
from pulse_gateway.use_cases.keep_dashboards import SERVICE
from pulse_gateway.use_cases.personal_ports import PersonalStore


@dataclass(eq=False)
class KeepPreferences:
    """Reads and replaces one person's preferences."""

    store: PersonalStore
    clock: Clock

    async def read(self, user_id: UUID) -> Preferences:
        """Return the preferences; what was never saved is empty and has version 0."""
        async with self.store.read() as reads:
            return await reads.preferences(user_id) or _never_saved(user_id)

    async def replace(self, user_id: UUID, document: Document, expected: Precondition) -> Preferences:
        """Keep a document in the place of what there is. Raises PreconditionFailedError."""
        async with self.store.change() as unit:
            await unit.take_turn(user_id)
            held = await unit.preferences(user_id) or _never_saved(user_id)
            expected.check(held.version)
            now = self.clock.now()
            changed = Preferences(user_id, document, held.version + 1, now)
            await unit.save_preferences(changed)
            resource = AuditResource(type="preferences", id=str(user_id))
            await unit.tell_audit(
                audit_event(SERVICE, "preferences.changed", resource, now, before=held.document, after=document)
            )
        return changed


def _never_saved(user_id: UUID) -> Preferences:
    return Preferences(user_id, {}, 0, None)
