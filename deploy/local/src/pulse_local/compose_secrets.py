"""The files with secrets that compose.yaml mounts, and the broker's files: what `pulse up` decides, written for containers.

Guarantees: everything is random and made once, a second call completes what a newer version added and changes nothing
else; the directory is its owner's alone (0700), while the files in it can be read by whichever user a container runs
as, which is how a file gets into a container that has no capabilities. The authority's key is in no mounted file.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from pulse_local.certificates import CertificateFiles, ensure_certificates
from pulse_local.errors import UnusableDataError
from pulse_local.private_files import write_private
from pulse_local.servers.broker_accounts import refreshed_security
from pulse_local.servers.broker_acl import render_acl
from pulse_local.servers.mosquitto import broker_configuration
from pulse_local.servers.postgres import DATABASE, OWNER_ROLE, SERVICE_ROLES, SUPERUSER
from pulse_local.servers.valkey import DATABASES
from pulse_local.stack_secrets import ADMIN_USERNAME, StackSecrets, load_secrets

POSTGRES = "postgres:5432"
VALKEY = "valkey:6379"
BROKER_PLAIN_PORT = 1883
BROKER_TLS_PORT = 8883
GATEWAY = "http://gateway:8000"
_READABLE_IN_CONTAINERS = 0o444


def write_secrets(directory: Path, public_host: str) -> tuple[str, ...]:
    """Write every file that is missing or out of date; return their names. `public_host` is what devices connect to."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    held = load_secrets(directory)
    certificates = ensure_certificates(_private(directory / "authority"), None, ("mosquitto", public_host))
    contents = {
        **_servers(held),
        **_services(held),
        "broker_ca": certificates.authority.read_text(encoding="ascii"),
        "broker_certificate": certificates.certificate.read_text(encoding="ascii"),
        "broker_key": certificates.key.read_text(encoding="ascii"),
        "demo_stack": _demo_stack(held),
        "grafana_password": _kept(directory / "grafana_password", secrets.token_urlsafe(12)),
        # The mail server's, which only its operator knows: empty until it is written here.
        "mail_password": _kept(directory / "mail_password", ""),
    }
    for name, content in contents.items():
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            write_private(path, content)
        path.chmod(_READABLE_IN_CONTAINERS)
    return tuple(contents)


def _private(directory: Path) -> Path:
    directory.mkdir(exist_ok=True, mode=0o700)
    return directory


def _kept(path: Path, first: str) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else first


def _servers(held: StackSecrets) -> dict[str, str]:
    passwords = held.database_passwords
    variables = {
        "database": DATABASE,
        "template": "template1",
        **{f"{role}_password": passwords[role] for role in (OWNER_ROLE, *SERVICE_ROLES)},
    }
    valkey = (
        *("bind * -::*", "port 6379", f"requirepass {held.valkey_password}", "dir /data", "daemonize no"),
        *(f"databases {DATABASES}", 'save ""', "appendonly yes", "appendfsync everysec"),
        *("maxmemory-policy noeviction", "tcp-backlog 128"),
    )
    return {
        "postgres_password": passwords[SUPERUSER],
        "database_variables": "".join(f"\\set {name} '{value}'\n" for name, value in variables.items()),
        "valkey_configuration": "\n".join(valkey) + "\n",
        "valkey_password": held.valkey_password,
        "broker_accounts": json.dumps(held.broker.by_account()),
    }


def _services(held: StackSecrets) -> dict[str, str]:
    databases = {
        f"{role.removeprefix('pulse_')}_database_url": (
            f"postgresql://{role}:{held.database_passwords[role]}@{POSTGRES}/{DATABASE}"
        )
        for role in SERVICE_ROLES
    }
    return {
        **databases,
        "redis_url": f"redis://:{held.valkey_password}@{VALKEY}/0",
        "identity_mqtt_password": held.broker_identity_password,
        "ingest_mqtt_password": held.broker_ingest_password,
        "sync_mqtt_password": held.broker_sync_password,
        "commands_mqtt_password": held.broker_commands_password,
        "alerts_mqtt_password": held.broker_alerts_password,
        "admin_password": held.admin_password,
        "identity_secret": held.identity_secret,
        "internal_key": held.internal_key,
        "sync_signing_key": held.sync_signing_key,
        "sync_seal_key": held.sync_seal_key,
        "commands_signing_key": held.commands_signing_key,
        "alerts_seal_key": held.alerts_seal_key,
    }


def _demo_stack(held: StackSecrets) -> str:
    """Return where the simulated devices find everything, as `pulse simulate --stack` reads it."""
    stack = {
        "gateway_url": GATEWAY,
        "mqtt": {"host": "mosquitto", "port": BROKER_PLAIN_PORT},
        "admin": {"username": ADMIN_USERNAME, "password": held.admin_password},
    }
    return json.dumps(stack, indent=1) + "\n"


def write_broker_files(data: Path, accounts: Path, plugin: Path, certificates: CertificateFiles) -> None:
    """Write configuration, ACL and service accounts; device accounts stay as the broker left them.

    The broker must not run: it holds the accounts in memory, and its next change would undo this.
    """
    passwords = _accounts(accounts)
    security = data / "accounts" / "dynamic-security.json"
    for directory in (security.parent, data / "store"):
        _private(directory)
    configuration = broker_configuration(
        plugin,
        security.relative_to(data),
        certificates,
        plain=str(BROKER_PLAIN_PORT),
        tls=str(BROKER_TLS_PORT),
    )
    write_private(security, json.dumps(refreshed_security(security, passwords), indent=1))
    write_private(data / "acl.conf", render_acl())
    write_private(data / "mosquitto.conf", configuration)


def _accounts(path: Path) -> Mapping[str, str]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(password) for name, password in held.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UnusableDataError(
            "accounts_unreadable", f"{path} cannot be read: {error}.", "Make the secrets: `pulse compose secrets`."
        ) from error


def is_a_public_name(name: str) -> bool:
    """Say whether this can be a host name or an IPv4 address, without a scheme or a port."""
    return bool(name) and not any(character in name for character in " /:")
