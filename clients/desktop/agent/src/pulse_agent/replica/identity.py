"""Who this desktop is in sync: its private keys, and the public keys it believes."""

from __future__ import annotations

from dataclasses import dataclass, field

from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.ids import ClientId
from pulse_contracts.sync import ServiceKeys


@dataclass(frozen=True, slots=True)
class DesktopIdentity:
    """The keys of one enrolled desktop.

    `verifier_key` is K_desktop (32 bytes), `password_key` what to seal passwords to (X25519, base 64), `sync_keys` whose
    pages and leases count; None until they were fetched: then edits are kept, and nothing is sent or believed.
    """

    device_id: ClientId
    signing_key: SigningKey = field(repr=False)
    seal_key: SealKey = field(repr=False)
    verifier_key: bytes = field(repr=False)
    password_key: str
    sync_keys: ServiceKeys | None = None
