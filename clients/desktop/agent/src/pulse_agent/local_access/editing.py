"""Edits of people, roles and this desktop's config by somebody who signed in here; they go up when the server is there.

Guarantees: every edit looks anew at what its author may do now; nobody gives, takes over or changes a right that they
lack, nobody disables, deletes or demotes themselves; a name that is taken here is refused here; a password leaves this
module only sealed to identity. The server checks all of it again (sync.md, 5).
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from pulse_agent.local_access.passwords import MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS
from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_access.sign_in import LocalLogin
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.refusals import EditRefusedError
from pulse_agent.replica.replica import Replica
from pulse_agent.replica.rows import ReplicaRow, name_key
from pulse_chassis.sealing import Sealer
from pulse_contracts.configuration import BUILT_IN_KEYS, CUSTOM_PREFIX, ConfigScope, config_id, parse_config_id
from pulse_contracts.operations import EditableEntity
from pulse_contracts.permissions import Permission
from pulse_contracts.value_specs import value_problem

USERNAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{1,63}")
EMAIL_PATTERN: Final = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}")
ROLE_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}[A-Za-z0-9]")


class Editor:
    """What a signed-in user may change. Every method raises EditRefusedError, LoginRefusedError."""

    def __init__(self, replica: Replica, login: LocalLogin, identity: DesktopIdentity) -> None:
        self._replica = replica
        self._login = login
        self._identity = identity

    # -- reading ----------------------------------------------------------------------------------------------------

    def users(self, session: LocalSession) -> dict[str, ReplicaRow]:
        """Return the users in this desktop's scope, by id."""
        self._allowed(session, Permission.USERS_READ)
        return self._replica.rows("users")

    def roles(self, session: LocalSession) -> dict[str, ReplicaRow]:
        """Return the roles known here, by id."""
        self._allowed(session, Permission.ROLES_READ)
        return self._replica.rows("roles")

    def config(self, session: LocalSession) -> dict[str, ReplicaRow]:
        """Return the config entries that concern this desktop, by id."""
        self._allowed(session, Permission.CONFIG_READ)
        return self._replica.rows("config")

    # -- users ------------------------------------------------------------------------------------------------------

    def create_user(
        self, session: LocalSession, username: str, password: str, email: str | None = None, roles: Iterable[str] = ()
    ) -> str:
        """Make a user with these roles (ids); return the id. They can sign in once the server has confirmed them."""
        actor = self._allowed(session, Permission.USERS_WRITE)
        fields: dict[str, Any] = {"username": self._free_username(username), "is_active": True}
        if email:
            fields["email"] = self._free_email(email)
        given = sorted(set(roles))
        self._check_grant(actor, self._permissions_of(given))
        if given:
            fields["roles_added"] = given
        fields["password"] = self._sealed(password, username)
        user_id = str(uuid.uuid4())
        self._record(actor, EditableEntity.USERS, user_id, fields)
        return user_id

    def edit_user(
        self, session: LocalSession, user_id: str, username: str | None = None, email: str | None = None
    ) -> None:
        """Change name or e-mail; an empty e-mail removes it."""
        actor, target = self._target(session, user_id)
        fields = self._profile_fields(target, username, email)
        if fields:
            self._record(actor, EditableEntity.USERS, user_id, fields)

    def set_active(self, session: LocalSession, user_id: str, *, is_active: bool) -> None:
        """Enable or disable a user."""
        actor, target = self._target(session, user_id)
        fields = self._active_fields(actor, target, is_active)
        if fields:
            self._record(actor, EditableEntity.USERS, user_id, fields)

    def delete_user(self, session: LocalSession, user_id: str) -> None:
        """Delete a user."""
        actor, _ = self._target(session, user_id)
        if user_id == actor.user_id:
            raise EditRefusedError("cannot_delete_self", "you cannot delete your own account")
        self._record(actor, EditableEntity.USERS, user_id, {"deleted": True})

    def set_password(self, session: LocalSession, user_id: str, password: str) -> None:
        """Give a user a new password; here it counts once the server has confirmed it, the old one no longer."""
        actor, target = self._target(session, user_id)
        sealed = self._sealed(password, str(target.fields["username"]))
        self._record(actor, EditableEntity.USERS, user_id, {"password": sealed})

    def change_roles(
        self, session: LocalSession, user_id: str, added: Iterable[str] = (), removed: Iterable[str] = ()
    ) -> None:
        """Give and take roles (ids)."""
        actor, target = self._target(session, user_id)
        fields = self._role_fields(actor, target, added, removed)
        if fields:
            self._record(actor, EditableEntity.USERS, user_id, fields)

    def restore_user(self, session: LocalSession, user_id: str, mask: Mapping[str, Any]) -> None:
        """Make the change that a lost edit made once more, as an edit of this user, all of it or nothing."""
        if mask.get("deleted"):
            self.delete_user(session, user_id)
            return
        actor, target = self._target(session, user_id)
        fields = self._profile_fields(target, mask.get("username"), mask.get("email"))
        if "is_active" in mask:
            fields |= self._active_fields(actor, target, bool(mask["is_active"]))
        fields |= self._role_fields(actor, target, mask.get("roles_added") or (), mask.get("roles_removed") or ())
        if fields:
            self._record(actor, EditableEntity.USERS, user_id, fields)

    # -- roles ------------------------------------------------------------------------------------------------------

    def create_role(
        self, session: LocalSession, name: str, description: str = "", permissions: Iterable[str] = ()
    ) -> str:
        """Make a role; return its id."""
        actor = self._allowed(session, Permission.ROLES_WRITE)
        given = self._known(permissions)
        self._check_grant(actor, given)
        fields = {"name": self._free_role_name(name), "description": description, "permissions_added": sorted(given)}
        role_id = str(uuid.uuid4())
        self._record(actor, EditableEntity.ROLES, role_id, fields)
        return role_id

    def edit_role(
        self, session: LocalSession, role_id: str, name: str | None = None, description: str | None = None
    ) -> None:
        """Change a role's name or description."""
        actor, role = self._custom_role(session, role_id)
        fields = self._naming_fields(role, name, description)
        if fields:
            self._record(actor, EditableEntity.ROLES, role_id, fields)

    def change_permissions(
        self, session: LocalSession, role_id: str, added: Iterable[str] = (), removed: Iterable[str] = ()
    ) -> None:
        """Put permissions into a role and take others out."""
        actor, role = self._custom_role(session, role_id)
        fields = self._permission_fields(actor, role, added, removed)
        if fields:
            self._record(actor, EditableEntity.ROLES, role_id, fields)

    def restore_role(self, session: LocalSession, role_id: str, mask: Mapping[str, Any]) -> None:
        """Make the change that a lost edit made once more, as an edit of this user, all of it or nothing."""
        if mask.get("deleted"):
            self.delete_role(session, role_id)
            return
        actor, role = self._custom_role(session, role_id)
        fields = self._naming_fields(role, mask.get("name"), mask.get("description"))
        added, removed = mask.get("permissions_added") or (), mask.get("permissions_removed") or ()
        fields |= self._permission_fields(actor, role, added, removed)
        if fields:
            self._record(actor, EditableEntity.ROLES, role_id, fields)

    def delete_role(self, session: LocalSession, role_id: str) -> None:
        """Delete a role that nobody here has; the server refuses it if somebody elsewhere does."""
        actor, _ = self._custom_role(session, role_id)
        if any(role_id in (user.fields.get("roles") or ()) for user in self._replica.rows("users").values()):
            raise EditRefusedError("role_assigned", "somebody has this role")
        self._record(actor, EditableEntity.ROLES, role_id, {"deleted": True})

    # -- config -----------------------------------------------------------------------------------------------------

    def set_config(self, session: LocalSession, key: str, value: Any) -> None:
        """Set a key for this desktop."""
        actor = self._allowed(session, Permission.CONFIG_WRITE)
        row_id = self._entry(key)
        spec = BUILT_IN_KEYS.get(key)
        problem = None if spec is None else value_problem(spec, value)
        if problem is not None:
            raise EditRefusedError("bad_value", f"{key} {problem}")
        self._record(actor, EditableEntity.CONFIG, row_id, {"value": value})

    def clear_config(self, session: LocalSession, key: str) -> None:
        """Remove this desktop's own entry of a key: what its groups or all have counts again."""
        actor = self._allowed(session, Permission.CONFIG_WRITE)
        self._record(actor, EditableEntity.CONFIG, self._entry(key), {"deleted": True})

    # -- what a change comes to --------------------------------------------------------------------------------------

    def _profile_fields(self, target: ReplicaRow, username: str | None, email: str | None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if username is not None and username != target.fields["username"]:
            fields["username"] = self._free_username(username, but=target.id)
        if email is not None and (email or None) != target.fields.get("email"):
            fields["email"] = self._free_email(email, but=target.id) if email else ""
        return fields

    def _active_fields(self, actor: LocalSession, target: ReplicaRow, is_active: bool) -> dict[str, Any]:
        if target.id == actor.user_id and not is_active:
            raise EditRefusedError("cannot_disable_self", "you cannot disable your own account")
        return {"is_active": is_active} if bool(target.fields.get("is_active")) != is_active else {}

    def _role_fields(
        self, actor: LocalSession, target: ReplicaRow, added: Iterable[str], removed: Iterable[str]
    ) -> dict[str, Any]:
        held = set(target.fields.get("roles") or ())
        gives, takes = set(added) - held, set(removed) & held
        self._check_grant(actor, self._permissions_of(gives) - self._permissions_of(held))
        after = self._permissions_of((held | gives) - takes)
        if target.id == actor.user_id and not self._permissions_of(held) <= after:
            raise EditRefusedError("cannot_demote_self", "you cannot take rights from your own account")
        return {name: sorted(ids) for name, ids in (("roles_added", gives), ("roles_removed", takes)) if ids}

    def _naming_fields(self, role: ReplicaRow, name: str | None, description: str | None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if name is not None and name != role.fields["name"]:
            fields["name"] = self._free_role_name(name, but=role.id)
        if description is not None and description != role.fields.get("description"):
            fields["description"] = description
        return fields

    def _permission_fields(
        self, actor: LocalSession, role: ReplicaRow, added: Iterable[str], removed: Iterable[str]
    ) -> dict[str, Any]:
        held = set(role.fields.get("permissions") or ())
        gives, takes = self._known(added) - held, self._known(removed) & held
        self._check_grant(actor, gives)
        own = self._replica.row("users", actor.user_id)
        if own is not None and role.id in (own.fields.get("roles") or ()):
            others = self._permissions_of(set(own.fields["roles"]) - {role.id})
            if not actor.permissions <= others | ((held | gives) - takes):
                raise EditRefusedError("cannot_demote_self", "you would take rights from your own account")
        return {
            n: sorted(names) for n, names in (("permissions_added", gives), ("permissions_removed", takes)) if names
        }

    # -- inside -----------------------------------------------------------------------------------------------------

    def _allowed(self, session: LocalSession, permission: Permission) -> LocalSession:
        actor = self._login.current(session.user_id)
        if not actor.can(permission):
            raise EditRefusedError("permission_missing", f"this needs the permission {permission.value}")
        return actor

    def _target(self, session: LocalSession, user_id: str) -> tuple[LocalSession, ReplicaRow]:
        actor = self._allowed(session, Permission.USERS_WRITE)
        target = self._replica.row("users", user_id)
        if target is None:
            raise EditRefusedError("unknown_user", "there is no such user here")
        if user_id != actor.user_id:
            self._check_grant(
                actor, self._permissions_of(target.fields.get("roles") or ()), "this user has rights that"
            )
        return actor, target

    def _custom_role(self, session: LocalSession, role_id: str) -> tuple[LocalSession, ReplicaRow]:
        actor = self._allowed(session, Permission.ROLES_WRITE)
        role = self._replica.row("roles", role_id)
        if role is None:
            raise EditRefusedError("unknown_role", "there is no such role here")
        if role.fields.get("is_built_in"):
            raise EditRefusedError("built_in_role", f"the role {role.fields['name']} is built in")
        self._check_grant(actor, set(role.fields.get("permissions") or ()), "this role has rights that")
        return actor, role

    def _check_grant(self, actor: LocalSession, granted: Iterable[str], what: str = "you cannot give what") -> None:
        missing = sorted(set(granted) - actor.permissions)
        if missing:
            raise EditRefusedError("beyond_own_rights", f"{what} you lack: {', '.join(missing)}")

    def _permissions_of(self, roles: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for role_id in roles:
            role = self._replica.row("roles", role_id)
            if role is None:
                raise EditRefusedError("unknown_role", "there is no such role here")
            found.update(role.fields.get("permissions") or ())
        return found

    def _free_username(self, username: str, but: str | None = None) -> str:
        if USERNAME_PATTERN.fullmatch(username) is None:
            raise EditRefusedError(
                "bad_username",
                "a username has 2 to 64 letters, digits or any of _ . @ + -, the first a letter or digit",
            )
        self._check_free("users", "username", username, but)
        return username

    def _free_email(self, email: str, but: str | None = None) -> str:
        if EMAIL_PATTERN.fullmatch(email) is None:
            raise EditRefusedError("bad_email", "this is no e-mail address")
        self._check_free("users", "email", email, but)
        return email

    def _free_role_name(self, name: str, but: str | None = None) -> str:
        if ROLE_PATTERN.fullmatch(name) is None:
            raise EditRefusedError("bad_name", "a role's name has 2 to 64 letters, digits, spaces or any of _ . -")
        self._check_free("roles", "name", name, but)
        return name

    def _check_free(self, entity: str, field: str, value: str, but: str | None) -> None:
        for row in self._replica.rows(entity).values():
            if row.id != but and name_key(str(row.fields.get(field) or "")) == name_key(value):
                raise EditRefusedError(f"{field}_taken", f"{value} is taken")

    def _sealed(self, password: str, username: str) -> str:
        if len(password) < MIN_PASSWORD_CHARS:
            raise EditRefusedError("password_too_short", f"a password has at least {MIN_PASSWORD_CHARS} characters")
        plain = password.encode("utf-8", "surrogatepass")
        if len(plain) > MAX_PASSWORD_BYTES:
            raise EditRefusedError("password_too_long", f"a password has at most {MAX_PASSWORD_BYTES} bytes")
        if name_key(password) == name_key(username):
            raise EditRefusedError("password_is_username", "a password is not the username")
        return base64.b64encode(Sealer(self._identity.password_key).seal(plain)).decode()

    def _entry(self, key: str) -> str:
        row_id = config_id(ConfigScope.DEVICE, self._identity.device_id, key)
        if parse_config_id(row_id) is None or (key not in BUILT_IN_KEYS and not key.startswith(CUSTOM_PREFIX)):
            raise EditRefusedError("unknown_key", f"there is no configuration key {key}")
        return row_id

    @staticmethod
    def _known(permissions: Iterable[str]) -> set[str]:
        wanted = set(permissions)
        unknown = sorted(wanted - {permission.value for permission in Permission})
        if unknown:
            raise EditRefusedError("unknown_permission", f"there is no permission {unknown[0]}")
        return wanted

    def _record(self, actor: LocalSession, entity: EditableEntity, row_id: str, fields: dict[str, Any]) -> None:
        try:
            self._replica.record(UUID(actor.user_id), entity, row_id, fields)
        except ValueError as error:  # pydantic's: a field that is too long, for instance
            raise EditRefusedError("bad_field", "a field does not hold what it may hold") from error
