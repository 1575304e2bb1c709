"""The desktop's own keys for sync: made when it enrols, kept as one secret, read when it starts."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path

from pulse_agent.configuration.device import EnrolledDevice, NoSyncKeysError
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, Secret, load_secret
from pulse_agent.configuration.server_keys import load_server_keys
from pulse_agent.replica.identity import DesktopIdentity
from pulse_chassis.sealing import SealError, SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.ids import ClientId
from pulse_contracts.verifiers import VERIFIER_KEY_BYTES


@dataclass(frozen=True, slots=True)
class DesktopKeys:
    """The private halves of what the server was told at enrolment."""

    signing_key: SigningKey = field(default_factory=SigningKey.generate, repr=False)
    seal_key: SealKey = field(default_factory=SealKey.generate, repr=False)

    def as_secret(self, verifier_key: str) -> str:
        """Return the text to keep, with K_desktop (base 64)."""
        return json.dumps(
            {
                "sign_jwk": self.signing_key.private_jwk(),
                "seal_key": self.seal_key.private_key,
                "verifier_key": verifier_key,
            }
        )


def load_identity(data: Path, device: EnrolledDevice) -> DesktopIdentity:
    """Return who this desktop is in sync, with the server's keys as far as they were fetched.

    Raises NoSyncKeysError, KeyMissingError.
    """
    if device.password_key is None:
        raise NoSyncKeysError("this device enrolled without keys for sync: enrol it again to take part in sync")
    text = load_secret(data, device.device_id, KeyStore(device.key_store), Secret.DESKTOP_KEYS)
    try:
        fields = json.loads(text)
        verifier_key = base64.b64decode(fields["verifier_key"], validate=True)
        if len(verifier_key) != VERIFIER_KEY_BYTES:
            raise ValueError("K_desktop has the wrong length")
        signing_key, seal_key = SigningKey(fields["sign_jwk"]), SealKey(fields["seal_key"])
    except (ValueError, TypeError, KeyError, SealError, binascii.Error) as error:
        raise KeyMissingError("the desktop's keys for sync cannot be read: enrol again") from error
    return DesktopIdentity(
        device_id=ClientId(device.device_id),
        signing_key=signing_key,
        seal_key=seal_key,
        verifier_key=verifier_key,
        password_key=device.password_key,
        sync_keys=load_server_keys(data).sync,
    )
