"""Where the device's API key is kept: in the system's keyring if there is one, else in a file of mode 0600.

Guarantees: the command line says openly which of the two it is. Never does: print or log a key.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

from pulse_agent.configuration.device import write_private

SERVICE: Final = "precisionpulse-agent"
KEY_FILE: Final = "api-key"


class KeyStore(StrEnum):
    """Where a key is."""

    KEYRING = "keyring"
    FILE = "file"


class KeyMissingError(Exception):
    """The key is not where it was left."""


def save_key(data: Path, device_id: str, api_key: str, *, allow_keyring: bool = True) -> KeyStore:
    """Keep the key, in the keyring if there is one that works."""
    if allow_keyring and _save_in_keyring(device_id, api_key):
        (data / KEY_FILE).unlink(missing_ok=True)
        return KeyStore.KEYRING
    write_private(data / KEY_FILE, api_key + "\n")
    return KeyStore.FILE


def load_key(data: Path, device_id: str, store: KeyStore) -> str:
    """Return the key. Raises KeyMissingError."""
    if store is KeyStore.KEYRING:
        key = _load_from_keyring(device_id)
        if key is None:
            raise KeyMissingError(f"the keyring of this user holds no key of {device_id}: enrol again")
        return key
    try:
        return (data / KEY_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyMissingError(f"the key file cannot be read: {error}") from error


def _save_in_keyring(device_id: str, api_key: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, device_id, api_key)
        return keyring.get_password(SERVICE, device_id) == api_key
    except (KeyringError, RuntimeError, OSError):  # no backend, locked, or no session bus
        return False


def _load_from_keyring(device_id: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, device_id)
    except (KeyringError, RuntimeError, OSError) as error:
        raise KeyMissingError(f"the keyring cannot be opened: {error}") from error
