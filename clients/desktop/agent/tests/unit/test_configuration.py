"""What enrolment keeps: private files, TLS where there is any, options from the environment."""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pulse_agent.configuration.desktop_keys import DesktopKeys, load_identity
from pulse_agent.configuration.device import EnrolledDevice, NoSyncKeysError, NotEnrolledError, load_device, save_device
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, Secret, load_secret, save_secrets
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.domain.quota import Overflow

DEVICE = EnrolledDevice("pump-1", "Pump 1", "http://x", "broker", 1883, 8883, "ca.pem", "file")


def test_a_device_is_read_back_and_prefers_tls(tmp_path: Path) -> None:
    save_device(tmp_path, DEVICE)
    assert load_device(tmp_path) == DEVICE
    assert (tmp_path / "device.json").stat().st_mode & 0o777 == 0o600
    endpoint = DEVICE.endpoint(tmp_path, "key")
    assert (endpoint.port, endpoint.ca_file, endpoint.username) == (8883, tmp_path / "ca.pem", "pump-1")
    assert "key" not in repr(endpoint)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"device_id": 1}', "\x00"])
def test_a_broken_device_file_is_said_in_words(content: str, tmp_path: Path) -> None:
    (tmp_path / "device.json").write_text(content)
    with pytest.raises(NotEnrolledError):
        load_device(tmp_path)


def test_without_a_keyring_the_secrets_are_in_private_files(tmp_path: Path) -> None:
    kept = {Secret.API_KEY: "secret", Secret.DESKTOP_KEYS: "{}"}
    assert save_secrets(tmp_path, "pump-1", kept, allow_keyring=False) is KeyStore.FILE
    for name, text in kept.items():
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert load_secret(tmp_path, "pump-1", KeyStore.FILE, name) == text
    (tmp_path / "api-key").unlink()
    with pytest.raises(KeyMissingError):
        load_secret(tmp_path, "pump-1", KeyStore.FILE, Secret.API_KEY)


def test_enrolling_without_keys_for_sync_leaves_no_old_ones(tmp_path: Path) -> None:
    save_secrets(tmp_path, "a", {Secret.API_KEY: "1", Secret.DESKTOP_KEYS: "{}"}, allow_keyring=False)
    save_secrets(tmp_path, "b", {Secret.API_KEY: "2"}, allow_keyring=False)
    assert not (tmp_path / "desktop-keys").exists()


def test_keys_of_a_desktop_are_read_back_whole(tmp_path: Path) -> None:
    made, verifier_key = DesktopKeys(), secrets.token_bytes(32)
    text = made.as_secret(base64.b64encode(verifier_key).decode())
    save_secrets(tmp_path, "pump-1", {Secret.DESKTOP_KEYS: text}, allow_keyring=False)
    device = replace(DEVICE, password_key=made.seal_key.public_key)
    identity = load_identity(tmp_path, device)
    assert identity.verifier_key == verifier_key
    assert identity.signing_key.public_jwk() == made.signing_key.public_jwk()
    assert identity.seal_key.public_key == made.seal_key.public_key
    assert identity.sync_keys is None
    assert "private" not in repr(identity)
    (tmp_path / "desktop-keys").write_text("{}")
    with pytest.raises(KeyMissingError):
        load_identity(tmp_path, device)
    with pytest.raises(NoSyncKeysError):
        load_identity(tmp_path, DEVICE)


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_AGENT_DATA", str(tmp_path))
    monkeypatch.setenv("PULSE_AGENT_MAX_MB", "7")
    monkeypatch.setenv("PULSE_AGENT_MAX_AGE_HOURS", "2")
    monkeypatch.setenv("PULSE_AGENT_OVERFLOW_BY_CHANNEL", '{"host": "thin"}')
    options = AgentOptions.read()
    quota = options.quota()
    assert options.data == tmp_path
    assert quota.max_bytes == 7 * 1024 * 1024
    assert quota.max_age == timedelta(hours=2)
    assert quota.policy_of("host") is Overflow.THIN
