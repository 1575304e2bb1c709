"""What enrolment keeps: private files, TLS where there is any, options from the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pulse_agent.configuration.device import EnrolledDevice, NotEnrolledError, load_device, save_device
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore, load_key, save_key
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


def test_without_a_keyring_the_key_is_in_a_private_file(tmp_path: Path) -> None:
    assert save_key(tmp_path, "pump-1", "secret", allow_keyring=False) is KeyStore.FILE
    assert (tmp_path / "api-key").stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path, "pump-1", KeyStore.FILE) == "secret"
    (tmp_path / "api-key").unlink()
    with pytest.raises(KeyMissingError):
        load_key(tmp_path, "pump-1", KeyStore.FILE)


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
