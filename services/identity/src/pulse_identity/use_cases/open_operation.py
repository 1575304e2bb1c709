"""From a signed text to an edit that can be believed: who signed it, what it wants, whether it could be wanted at all.

Nothing here looks at rows or rights. An operation that does not come from this desktop's key, or is for another
purpose, is refused before anything of it is used.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from pulse_chassis.errors import ForbiddenError, InvalidError
from pulse_chassis.signatures import SignatureError, TrustedKeys
from pulse_contracts.operations import MAX_OPERATION_BYTES, OPERATION_TYPE, EditableEntity, Operation
from pulse_contracts.reconciliation import DELETED, Change
from pulse_identity.domain.desktops import Desktop
from pulse_identity.domain.edits import chosen_role_fields, chosen_user_fields, role_changes, user_changes
from pulse_identity.domain.fields import RoleEdit, UserEdit
from pulse_identity.use_cases.sync_ports import SyncedEntity

NOBODY: Final = UUID(int=0)
_MAX_CLAIMS_BYTES: Final = 8 * MAX_OPERATION_BYTES
_ModelT = TypeVar("_ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody wants of one row: `fields` is a mask, `changes` the same by key."""

    entity: SyncedEntity
    row_id: UUID
    fields: UserEdit | RoleEdit = field(hash=False)
    changes: tuple[Change, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it changes."""
        return frozenset(change.key for change in self.changes)

    @property
    def is_deletion(self) -> bool:
        """Whether it ends the row; whatever else it wants does not matter then."""
        return DELETED in self.keys

    def part(self, keys: frozenset[str]) -> UserEdit | RoleEdit:
        """Return the fields of these keys alone."""
        if isinstance(self.fields, UserEdit):
            return chosen_user_fields(self.fields, keys)
        return chosen_role_fields(self.fields, keys)


def open_operation(desktop: Desktop, token: str) -> Operation:
    """Return the operation that a desktop signed; raises InvalidError, ForbiddenError."""
    try:
        payload = TrustedKeys([desktop.keys.sign_jwk]).open(token, OPERATION_TYPE, max_chars=MAX_OPERATION_BYTES)
    except SignatureError as error:
        raise ForbiddenError(str(error), code=error.code) from error
    if len(payload) > MAX_OPERATION_BYTES:
        message = f"an operation has at most {MAX_OPERATION_BYTES} bytes"
        raise InvalidError(message, code="malformed")
    operation = _read(Operation, payload)
    if operation.desktop_id != desktop.device_id:
        message = "this operation is another desktop's"
        raise ForbiddenError(message, code="wrong_desktop")
    return operation


def read_edit(entity: str, row_id: str, fields: dict[str, object]) -> Edit:
    """Return what is wanted of a row of ours; raises InvalidError."""
    if entity not in {EditableEntity.USERS, EditableEntity.ROLES}:
        message = f"{entity} are not identity's"
        raise InvalidError(message, code="wrong_entity", field="entity")
    try:
        known_id = UUID(row_id)
    except ValueError:
        known_id = NOBODY
    if known_id == NOBODY or str(known_id) != row_id:
        message = "an id is a UUID in small letters"
        raise InvalidError(message, code="bad_id", field="id")
    text = json.dumps(fields).encode()
    if entity == EditableEntity.USERS:
        user = _read(UserEdit, text)
        return _checked(Edit("users", known_id, user, tuple(user_changes(user))))
    role = _read(RoleEdit, text)
    return _checked(Edit("roles", known_id, role, tuple(role_changes(role))))


def claimed_names(token: str) -> tuple[UUID, int]:
    """Return op_id and op_no that a text claims to have, whoever signed it: only to answer it by."""
    try:
        payload = token.split(".")[1]
        text = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        if not text.startswith(b"{"):
            text = zlib.decompressobj().decompress(text, _MAX_CLAIMS_BYTES)
        claims = json.loads(text)
        op_no = claims["op_no"]
        return UUID(claims["op_id"]), op_no if isinstance(op_no, int) else 0
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError, zlib.error):
        return NOBODY, 0


def _checked(edit: Edit) -> Edit:
    if not edit.changes:
        message = "this operation changes nothing"
        raise InvalidError(message, code="empty_operation", field="fields")
    if len(edit.keys) < len(edit.changes):
        message = "the same thing is given and taken away"
        raise InvalidError(message, code="contradictory", field="fields")
    return edit


def _read(model: type[_ModelT], text: bytes) -> _ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        # Not chained: the error holds what was sent.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = ".".join(map(str, first["loc"]))
        message = str(first["msg"])[:200]
    raise InvalidError(message, code="malformed" if model is Operation else "invalid", field=name or None)
