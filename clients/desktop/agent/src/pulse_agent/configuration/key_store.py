"""Where the device's secrets are kept: in the system's keyring if there is one, else in files of mode 0600.

Two secrets: the API key, and the desktop's own keys for sync (as one JSON text). Guarantees: both are in the same
place, and the command line says openly which it is. Never does: print or log a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from pulse_agent.configuration.device import write_private
from pulse_agent.configuration.keyring_reader import KeyringUnavailableError, read_secret

SERVICE: Final = "precisionpulse-agent"


class KeyStore(StrEnum):
    """Where the secrets are."""

    KEYRING = "keyring"
    FILE = "file"


class Secret(StrEnum):
    """Which secret; the value is its file's name."""

    API_KEY = "api-key"
    DESKTOP_KEYS = "desktop-keys"


class KeyMissingError(Exception):
    """The key is not where it was left."""


def save_secrets(data: Path, device_id: str, secrets: Mapping[Secret, str], *, allow_keyring: bool = True) -> KeyStore:
    """Keep the secrets, in the keyring if there is one that works for all of them; others of the device are removed."""
    if allow_keyring and all(_save_in_keyring(_entry(device_id, name), text) for name, text in secrets.items()):
        for name in Secret:
            (data / name).unlink(missing_ok=True)
        return KeyStore.KEYRING
    for name in Secret:
        if name in secrets:
            write_private(data / name, secrets[name] + "\n")
        else:
            (data / name).unlink(missing_ok=True)
    return KeyStore.FILE


def load_secret(data: Path, device_id: str, store: KeyStore, name: Secret) -> str:
    """Return a secret. Raises KeyMissingError."""
    if store is KeyStore.KEYRING:
        text = _load_from_keyring(_entry(device_id, name))
        if text is None:
            raise KeyMissingError(f"the keyring of this user holds no {name} of {device_id}: enrol again")
        return text
    try:
        return (data / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyMissingError(f"the key file cannot be read: {error}") from error


def _entry(device_id: str, name: Secret) -> str:
    return device_id if name is Secret.API_KEY else f"{device_id}/{name}"


def _save_in_keyring(entry: str, text: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, entry, text)
        return keyring.get_password(SERVICE, entry) == text
    except (KeyringError, RuntimeError, OSError):  # no backend, locked, or no session bus
        return False


def _load_from_keyring(entry: str) -> str | None:
    try:
        return read_secret(SERVICE, entry)
    except KeyringUnavailableError as error:
        raise KeyMissingError(f"the keyring cannot be opened: {error}") from error
