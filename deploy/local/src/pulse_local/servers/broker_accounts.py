"""The broker's accounts, written offline into Mosquitto's dynamic-security file before the broker starts.

The service accounts and the shared role of devices. While the broker runs, only identity changes accounts, over
`$CONTROL/dynamic-security/v1`; this file is then the broker's and is not written by us.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pulse_contracts.broker_accounts import IDENTITY_ACCOUNT
from pulse_local.servers.broker_acl import DEVICE_SHARED_READS
from pulse_local.servers.kept_accounts import held_accounts

DEVICE_ROLE: Final = "device"
_ADMIN_ROLE: Final = "dynsec-admin"
_SERVICE_ROLE: Final = "service"
# The plugin's own count. Passwords here are random keys of 128 bits and more, which stretching does not improve, and
# the broker computes this in its only thread at every connection.
_ITERATIONS: Final = 101
_CONTROL: Final = "$CONTROL/dynamic-security"


def hashed_password(password: str) -> dict[str, Any]:
    """Return the fields that hold a password as the plugin stores it: PBKDF2 with SHA-512, 64 bytes, in base 64."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, dklen=64)
    return {
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ITERATIONS,
    }


def account(username: str, password: str, role: str) -> dict[str, Any]:
    """Return one client entry of the file."""
    return {"username": username, "roles": [{"rolename": role}], **hashed_password(password)}


def _allow(kind: str, topic: str) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


def _roles() -> list[dict[str, Any]]:
    return [
        {
            "rolename": DEVICE_ROLE,
            # Else any device could join ingest's shared group and swallow its messages: acl_file does not check
            # subscriptions.
            "acls": [
                {"acltype": "subscribePattern", "topic": "$share/#", "priority": 100, "allow": False},
                *(_allow("publishClientReceive", topic) for topic in DEVICE_SHARED_READS),
            ],
        },
        {"rolename": _SERVICE_ROLE, "acls": []},
        {
            "rolename": _ADMIN_ROLE,
            "acls": [
                _allow("publishClientSend", f"{_CONTROL}/#"),
                _allow("publishClientReceive", f"{_CONTROL}/#"),
                _allow("subscribePattern", f"{_CONTROL}/#"),
            ],
        },
    ]


def fresh_security(passwords: Mapping[str, str]) -> dict[str, Any]:
    """Return a new file's content: the service accounts with these passwords, no device yet."""
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [
            account(name, password, _ADMIN_ROLE if name == IDENTITY_ACCOUNT else _SERVICE_ROLE)
            for name, password in passwords.items()
        ],
        "groups": [],
        "roles": _roles(),
    }


def refreshed_security(path: Path, passwords: Mapping[str, str]) -> dict[str, Any]:
    """Return the content for a start: what the broker had, with our roles and service accounts as they must be.

    A file that cannot be read is replaced by its copy, and without one by a fresh file. What was in neither is gone then:
    identity keeps digests of keys only, so it reports such devices as missing, and each needs a new key.
    """
    fresh = fresh_security(passwords)
    held = held_accounts(path)
    if held is None:
        return fresh
    own_roles = {role["rolename"] for role in fresh["roles"]}
    clients = [entry for entry in held["clients"] if entry.get("username") not in passwords]
    roles = [entry for entry in held.get("roles", []) if entry.get("rolename") not in own_roles]
    return {
        **fresh,
        "clients": fresh["clients"] + clients,
        "roles": fresh["roles"] + roles,
        "groups": held.get("groups", []),
    }
