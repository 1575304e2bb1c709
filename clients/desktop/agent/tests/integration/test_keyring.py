"""Secrets in a keyring: kept there and not on the disk, read by a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, Secret, load_secret

FOLDER = Path(__file__).parent
SAVE = """
from pathlib import Path
from pulse_agent.configuration.key_store import Secret, save_secrets
print(save_secrets(Path(), "pump-1", {Secret.API_KEY: "s3cret", Secret.DESKTOP_KEYS: "keys"}).value)
"""


def test_secrets_are_kept_in_the_keyring_and_read_without_loading_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "file_keyring.FileKeyring")
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "ring.json"))
    saved = subprocess.run([sys.executable, "-c", SAVE], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert saved.stdout.strip() == "keyring"
    assert not (tmp_path / "api-key").exists()
    assert load_secret(tmp_path, "pump-1", KeyStore.KEYRING, Secret.API_KEY) == "s3cret"
    assert load_secret(tmp_path, "pump-1", KeyStore.KEYRING, Secret.DESKTOP_KEYS) == "keys"
    with pytest.raises(KeyMissingError, match="holds no api-key"):
        load_secret(tmp_path, "pump-2", KeyStore.KEYRING, Secret.API_KEY)
    (tmp_path / "ring.locked").touch()
    with pytest.raises(KeyMissingError, match="it is locked"):
        load_secret(tmp_path, "pump-1", KeyStore.KEYRING, Secret.API_KEY)
