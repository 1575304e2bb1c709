"""Giving a desktop what it checks passwords with offline: worth nothing without that desktop's own key.

Only for active users who have access to the desktop now. Hashes never leave: what leaves is their HMAC under K_desktop.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from uuid import UUID

from pulse_chassis.errors import NotFoundError
from pulse_contracts.sync import PasswordVerifier
from pulse_contracts.verifiers import verifier_mac
from pulse_identity.domain.stored_hashes import StoredHash, read_hash
from pulse_identity.use_cases.key_ports import SecretBox
from pulse_identity.use_cases.ports import Work


class IssueVerifiers:
    """Makes password verifiers of users for one desktop."""

    def __init__(self, work: Work, box: SecretBox) -> None:
        self._work = work
        self._box = box

    async def __call__(self, desktop_id: str, user_ids: Sequence[UUID]) -> dict[str, PasswordVerifier]:
        """Return the verifiers by user id; who is not active, has no access or no password is left out.

        Raises NotFoundError for a device without desktop keys. A disabled desktop gets none.
        """
        async with self._work() as unit:
            desktop = await unit.desktops.get(desktop_id)
            if desktop is None:
                message = "there is no such desktop"
                raise NotFoundError(message, code="unknown_desktop")
            stored = await unit.desktops.password_hashes(desktop_id, user_ids) if desktop.is_active else {}
        key = self._box.unseal(desktop.sealed_verifier_key)
        parts = {user_id: read_hash(text) for user_id, text in stored.items()}
        return {str(user_id): _verifier(key, part) for user_id, part in parts.items() if part is not None}


def _verifier(key: bytes, stored: StoredHash) -> PasswordVerifier:
    return PasswordVerifier(
        salt=base64.b64encode(stored.salt).decode(),
        time_cost=stored.time_cost,
        memory_kib=stored.memory_kib,
        parallelism=stored.parallelism,
        hash_bytes=len(stored.digest),
        mac=verifier_mac(key, stored.digest),
    )
