"""A conflict as two sides: each field as it was changed here and as it stands on the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulse_contracts.local_records import ConflictRow
from pulse_desktop.model.notices import outcome_of
from pulse_desktop.model.settings import shown_value
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone

_BASE_OF: Final = {
    "roles_added": "roles",
    "roles_removed": "roles",
    "permissions_added": "permissions",
    "permissions_removed": "permissions",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One field of a conflict, in words."""

    field: str
    here: str
    server: str


@dataclass(frozen=True, slots=True)
class ConflictView:
    """What is shown of a conflict; `can_decide` while nobody did."""

    title: str
    outcome: str
    tone: Tone
    sides: tuple[Side, ...]
    why: str
    resolution: str
    can_decide: bool


def conflict_view(conflict: ConflictRow, names: Mapping[str, str], texts: Texts) -> ConflictView:
    """Work out what is shown; `names` are those of roles and people, by id."""
    words = texts.administration
    entity = words.entities.get(conflict.entity.value, conflict.entity.value)
    resolutions = {"accepted": words.resolved_accepted, "restored": words.resolved_restored}
    is_undone = conflict.outcome != "won"
    return ConflictView(
        title=f"{entity} {conflict.name}",
        outcome=outcome_of(conflict.outcome, texts),
        tone=Tone.MUTE if conflict.resolution else Tone.WARN if is_undone else Tone.OK,
        sides=tuple(_side(name, value, conflict.server or {}, names, texts) for name, value in conflict.here.items()),
        why=texts.problems.get(conflict.code or "") or texts.agents_words(conflict.sentence, ""),
        resolution=resolutions.get(conflict.resolution or "", ""),
        can_decide=conflict.resolution is None,
    )


def _side(name: str, value: Any, server: Mapping[str, Any], names: Mapping[str, str], texts: Texts) -> Side:
    words = texts.administration
    fields = server.get("fields", server)
    base = _BASE_OF.get(name, name)
    here = words.password_changed if name == "password" else _named(value, names, texts)
    there = "—" if name == "password" or base not in fields else _named(fields[base], names, texts)
    return Side(words.fields.get(name, name), here, there)


def _named(value: Any, names: Mapping[str, str], texts: Texts) -> str:
    if isinstance(value, list):
        return shown_value([names.get(str(item), str(item)) for item in value], texts)
    return shown_value(value, texts)
