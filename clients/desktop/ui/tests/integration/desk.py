"""A folder of an enrolled agent whose people were synced once, by sync's side in memory, and that is offline since."""

from __future__ import annotations

import base64
import importlib.util
import json
import secrets
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from pulse_agent.configuration.device import EnrolledDevice, save_device
from pulse_agent.configuration.key_store import Secret, save_secrets
from pulse_agent.configuration.server_keys import ServerKeys, save_server_keys
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import SystemClock
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.ids import ClientId
from pulse_contracts.permissions import Permission

PASSWORD = "correct horse 1"
ADMINS, READERS = str(UUID(int=11)), str(UUID(int=12))
ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
_PEER = Path(__file__).parents[3] / "agent" / "tests" / "sync_peer.py"


def enrol_offline(data: Path) -> None:
    """Make the folder one of a device; its server's address leads nowhere."""
    keys, seal, verifier = SigningKey.generate(), SealKey.generate(), secrets.token_bytes(32)
    password_key = SealKey.generate().public_key
    identity = DesktopIdentity(ClientId("D-1"), keys, seal, verifier, password_key)
    peer = _sync_peer(identity)
    device = EnrolledDevice(
        "D-1", "Desk 1", "http://127.0.0.1:1", "127.0.0.1", 1, None, None, "file", password_key=password_key
    )
    save_device(data, device)
    desktop = {
        "sign_jwk": keys.private_jwk(),
        "seal_key": seal.private_key,
        "verifier_key": base64.b64encode(verifier).decode(),
    }
    given = {Secret.API_KEY: "none", Secret.DESKTOP_KEYS: json.dumps(desktop)}
    save_secrets(data, "D-1", given, allow_keyring=False)
    save_server_keys(data, ServerKeys(sync=peer.keys()))
    own = DesktopIdentity(ClientId("D-1"), keys, seal, verifier, password_key, peer.keys())
    replica = Replica(data / REPLICA_FILE, own, SystemClock())
    replica.connected()
    while messages := replica.outgoing():
        for message in messages:
            for answer in peer.answer(message):
                replica.receive("sync/D-1/down", answer)
    replica.close()


def _sync_peer(identity: DesktopIdentity) -> Any:
    spec = importlib.util.spec_from_file_location("agent_sync_peer", _PEER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    peer = module.SyncPeer("D-1", identity, SystemClock())
    for right in Permission:
        peer.put("permissions", right.value, description=right.description)
    everything = sorted(right.value for right in Permission)
    peer.put("roles", ADMINS, name="admin", description="", is_built_in=True, permissions=everything)
    peer.put("roles", READERS, name="reader", description="", is_built_in=False, permissions=["users:read"])
    peer.set_password(ANNA, PASSWORD)
    peer.set_password(BOB, PASSWORD)
    peer.put("users", ANNA, username="anna", email="anna@example.org", is_active=True, roles=[ADMINS])
    peer.put("users", BOB, username="bob", email=None, is_active=True, roles=[READERS])
    return peer
