"""The stack's passwords: random, made once, kept in one private file, never printed but the administrator's.

`PULSE_ADMIN_PASSWORD` chooses the administrator's password of a new stack; there is no default.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_local.errors import UnusableDataError
from pulse_local.private_files import write_private
from pulse_local.servers.mosquitto import BrokerPasswords
from pulse_local.servers.postgres import generated_roles

ADMIN_USERNAME = "admin"
_ADMIN_PASSWORD_VARIABLE = "PULSE_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
_LEAST_ADMIN_PASSWORD = 8
_FILE = "stack-secrets.json"


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """Everything secret of one stack."""

    admin_password: str
    identity_secret: str
    valkey_password: str
    broker_ingest_password: str
    broker_identity_password: str
    broker_sync_password: str
    broker_commands_password: str
    broker_alerts_password: str
    internal_key: str
    sync_signing_key: str
    sync_seal_key: str
    commands_signing_key: str
    alerts_seal_key: str
    database_passwords: dict[str, str]

    @property
    def broker(self) -> BrokerPasswords:
        """The broker's service accounts."""
        return BrokerPasswords(
            ingest=self.broker_ingest_password,
            identity=self.broker_identity_password,
            sync=self.broker_sync_password,
            commands=self.broker_commands_password,
            alerts=self.broker_alerts_password,
        )


def _chosen_admin_password() -> str | None:
    chosen = os.environ.get(_ADMIN_PASSWORD_VARIABLE)
    if chosen is not None and len(chosen) < _LEAST_ADMIN_PASSWORD:
        raise UnusableDataError(
            "admin_password_short",
            f"{_ADMIN_PASSWORD_VARIABLE} is shorter than {_LEAST_ADMIN_PASSWORD} characters.",
            "Choose a longer one, or leave it unset to have one made.",
        )
    return chosen


def load_secrets(directory: Path) -> StackSecrets:
    """Return the stack's secrets, made at the first call; those that a newer version added are made when it starts."""
    path = directory / _FILE
    held = _held(path)
    if held is None:
        admin_password = _chosen_admin_password() or secrets.token_urlsafe(12)
        return _keep(path, _completed({"admin_password": admin_password, "identity_secret": secrets.token_urlsafe(32)}))
    try:
        complete = _completed(held)
    except (KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return complete if asdict(complete) == held else _keep(path, complete)


def _held(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unreadable(path, error) from error
    if not isinstance(held, dict):
        raise _unreadable(path, TypeError("no object"))
    return held


def _unreadable(path: Path, error: Exception) -> UnusableDataError:
    return UnusableDataError(
        "secrets_unreadable",
        f"{path} cannot be understood: {error!r}.",
        "Restore it from a backup: without it the stored data cannot be opened.",
    )


def _completed(held: dict[str, Any]) -> StackSecrets:
    """Return the secrets with what is missing made; raises KeyError when one is missing that opens stored data."""
    roles = {role: secrets.token_hex(16) for role in generated_roles()} | held.get("database_passwords", {})
    made = {
        "valkey_password": secrets.token_hex(16),
        "broker_ingest_password": secrets.token_hex(16),
        "broker_identity_password": secrets.token_hex(16),
        "broker_sync_password": secrets.token_hex(16),
        "broker_commands_password": secrets.token_hex(16),
        "broker_alerts_password": secrets.token_hex(16),
        "internal_key": secrets.token_urlsafe(32),
        "sync_signing_key": json.dumps(SigningKey.generate().private_jwk()),
        "sync_seal_key": SealKey.generate().private_key,
        "commands_signing_key": json.dumps(SigningKey.generate().private_jwk()),
        "alerts_seal_key": SealKey.generate().private_key,
    }
    names = {field.name for field in fields(StackSecrets)}
    known = {name: value for name, value in held.items() if name in names}
    return StackSecrets(
        **{
            **made,
            **known,
            "admin_password": held["admin_password"],
            "identity_secret": held["identity_secret"],
            "database_passwords": roles,
        }
    )


def _keep(path: Path, made: StackSecrets) -> StackSecrets:
    write_private(path, json.dumps(asdict(made), indent=1))
    return made


def change_admin_password(directory: Path, password: str) -> None:
    """Note the administrator's new password, so that the next start shows the one that is right."""
    changed = replace(load_secrets(directory), admin_password=password)
    write_private(directory / _FILE, json.dumps(asdict(changed), indent=1))
