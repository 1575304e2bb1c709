"""Field masks: what an edit changes of a row, laid over the row, and merged with a later edit of the same row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from pulse_contracts.operations import ConfigFields, EditableEntity, RoleFields, UserFields
from pulse_contracts.reconciliation import DELETED

MODELS: Final[dict[EditableEntity, type[BaseModel]]] = {
    EditableEntity.USERS: UserFields,
    EditableEntity.ROLES: RoleFields,
    EditableEntity.CONFIG: ConfigFields,
}
_SETS: Final = {EditableEntity.USERS: "roles", EditableEntity.ROLES: "permissions"}
"""Which field of a row is a set that masks add to and take from."""
_NEW: Final[dict[EditableEntity, dict[str, Any]]] = {
    EditableEntity.USERS: {"username": "", "email": None, "is_active": True, "roles": []},
    EditableEntity.ROLES: {"name": "", "description": "", "is_built_in": False, "permissions": []},
    EditableEntity.CONFIG: {"value": None},
}
PASSWORD: Final = "password"  # noqa: S105 -- the name of a field


def checked_mask(entity: EditableEntity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mask in its plainest form; raises ValueError for a field that the entity does not have."""
    made = MODELS[entity].model_validate(fields).model_dump(mode="json", exclude_unset=True)
    return {key: value for key, value in made.items() if not (value == [] and key.endswith(("_added", "_removed")))}


def is_deletion(mask: Mapping[str, Any]) -> bool:
    """Tell whether the mask ends the row."""
    return mask.get(DELETED) is True


def merged(entity: EditableEntity, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return one mask that does what both do, one after the other."""
    if is_deletion(later):
        return {DELETED: True}
    result = {key: value for key, value in {**earlier, **later}.items() if key != DELETED}
    name = _SETS.get(entity)
    if name is not None:
        added, removed = f"{name}_added", f"{name}_removed"
        gives, takes = set(later.get(added, ())), set(later.get(removed, ()))
        result[added] = sorted((set(earlier.get(added, ())) - takes) | gives)
        result[removed] = sorted((set(earlier.get(removed, ())) - gives) | takes)
        result = {key: value for key, value in result.items() if key not in (added, removed) or value}
    return result


def laid_over(entity: EditableEntity, fields: Mapping[str, Any] | None, mask: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's fields with a mask on top; of a new row when there are none. A password shows nowhere."""
    name = _SETS.get(entity)
    result = {**(_NEW[entity] if fields is None else fields)}
    result.update(
        {key: value for key, value in mask.items() if key != PASSWORD and not key.endswith(("_added", "_removed"))}
    )
    if result.get("email") == "":
        result["email"] = None
    if name is not None:
        kept = set(result.get(name) or ()) - set(mask.get(f"{name}_removed", ()))
        result[name] = sorted(kept | set(mask.get(f"{name}_added", ())))
    return result


def without_secrets(mask: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mask as people may see it: a password only as that there is one."""
    return {key: True if key == PASSWORD else value for key, value in mask.items()}
