"""Whether a device or a service may connect to a broker that asks us, and what it may do there.

Name and client id are the device's id, the password is one of its valid keys: during a rotation's overlap the old one as
well. A service's password is the one that we were told; its client id is its own choice, since each worker needs another.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from pulse_chassis.clock import Clock
from pulse_contracts.device_keys import key_prefix, key_sha256
from pulse_contracts.ids import ClientId, is_client_id
from pulse_identity.domain.broker_rules import BrokerRule, is_allowed, rules_of, rules_of_service

_MAX_KEY_CHARS = 256


class DeviceCredentials(Protocol):
    """The digests of devices' keys."""

    async def is_active(self, device_id: str) -> bool:
        """Return whether there is such a device and it is enabled."""
        ...

    async def digests(self, device_id: str, prefix: str, now: datetime) -> list[bytes]:
        """Return the digests of an active device's keys with this prefix that are valid now."""
        ...


class AdmitToBroker:
    """Decides about connections and topics; `services` are the passwords of the services' accounts."""

    def __init__(self, credentials: DeviceCredentials, clock: Clock, services: Mapping[str, str]) -> None:
        self._credentials = credentials
        self._clock = clock
        self._services = services

    async def __call__(self, client_id: str, username: str, password: str) -> tuple[BrokerRule, ...] | None:
        """Return the client's rules; None when it is not let in. Raises UnavailableError without the database."""
        if username in self._services:
            wanted = self._services[username].encode()
            is_right = hmac.compare_digest(wanted, password.encode("utf-8", "surrogatepass"))
            return rules_of_service(username) if is_right else None
        if client_id != username or not is_client_id(username) or not _could_be_a_key(password):
            return None
        known = await self._credentials.digests(username, key_prefix(password), self._clock.now())
        given = key_sha256(password)
        if not any(hmac.compare_digest(digest, given) for digest in known):
            return None
        return rules_of(ClientId(username))

    async def may(self, client_id: str, username: str, action: str, topic: str) -> bool:
        """Return whether a connected client may use a topic. Raises UnavailableError without the database.

        A connection outlives its device's right to be there; so the device is looked up each time.
        """
        if username in self._services:
            return is_allowed(rules_of_service(username), action, topic)
        if client_id != username or not is_client_id(username):
            return False
        return is_allowed(rules_of(ClientId(username)), action, topic) and await self._credentials.is_active(username)


def _could_be_a_key(password: str) -> bool:
    """Whether it can be looked up at all: a NUL or half a character would be the database's error."""
    return len(password) <= _MAX_KEY_CHARS and password.isascii() and password.isprintable()
