"""The side of a conflict that lost, as an edit that would make it stand after all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pulse_contracts.reconciliation import DELETED

_MEMBERS: Final = {
    "roles": ("roles_added", "roles_removed"),
    "permissions": ("permissions_added", "permissions_removed"),
}


def lost_desktop_edit(desktop_fields: Mapping[str, Any], applied: Collection[str]) -> dict[str, Any]:
    """Return what of a desktop's edit was not applied. A password is not kept, so it cannot come back."""
    lost: dict[str, Any] = {}
    sets = {mask: name for name, masks in _MEMBERS.items() for mask in masks}
    for key, value in desktop_fields.items():
        if key in sets:
            members = [member for member in value if f"{sets[key]}:{member}" not in applied]
            lost |= {key: members} if members else {}
        elif key != "password" and key not in applied and not (key == DELETED and value is None):
            lost[key] = value
    return lost


def lost_server_edit(
    desktop_fields: Mapping[str, Any], server_fields: Mapping[str, Any], applied: Collection[str]
) -> dict[str, Any]:
    """Return an edit that puts back what a desktop's edit changed of the row as it was before."""
    lost: dict[str, Any] = {}
    for key in desktop_fields:
        if key in server_fields and key in applied:
            value = server_fields[key]
            # An edit cannot say null; of an e-mail address the empty text means none.
            lost[key] = "" if value is None and key == "email" else value
    for name, (added, removed) in _MEMBERS.items():
        before: Sequence[str] = server_fields.get(name) or ()
        back = [m for m in desktop_fields.get(removed) or () if m in before and f"{name}:{m}" in applied]
        away = [m for m in desktop_fields.get(added) or () if m not in before and f"{name}:{m}" in applied]
        lost |= {added: back} if back else {}
        lost |= {removed: away} if away else {}
    return lost
