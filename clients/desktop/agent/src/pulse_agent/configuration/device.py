"""The enrolled device: a small JSON file in the data folder, without the key.

Guarantees: files appear whole (written beside, then renamed) and only the owner may read them.
Never does: hold the API key (see `key_store.py`).
"""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.ids import is_client_id

DEVICE_FILE: Final = "device.json"
CA_FILE: Final = "ca.pem"
SERVER_CA_FILE: Final = "server-ca.pem"


class NotEnrolledError(Exception):
    """There is no enrolled device in this folder, or its file cannot be read."""


class NoSyncKeysError(Exception):
    """This device enrolled before desktops had keys: it delivers readings, and takes part in sync after enrolling anew."""


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """Who this machine is to the server. Files are names in the data folder, None for public authorities.

    `ca_file` verifies the broker, `server_ca_file` the server's own address. `password_key` is what passwords are sealed
    to; None in an enrolment without keys for sync.
    """

    device_id: str
    name: str
    server_url: str
    host: str
    port: int | None
    tls_port: int | None
    ca_file: str | None
    key_store: str
    server_ca_file: str | None = None
    password_key: str | None = None

    def server_ca(self, data: Path) -> Path | None:
        """Return the file that verifies the server's certificate."""
        return data / self.server_ca_file if self.server_ca_file else None

    def endpoint(self, data: Path, api_key: str) -> MqttEndpoint:
        """Return where and as whom to connect: by TLS wherever the broker offers it."""
        if self.tls_port is not None:
            ca = data / self.ca_file if self.ca_file else Path(ssl.get_default_verify_paths().cafile or CA_FILE)
            return MqttEndpoint(self.host, self.tls_port, self.device_id, api_key, ca)
        if self.port is None:
            raise NotEnrolledError("the enrolment names no port of the broker: enrol again")
        return MqttEndpoint(self.host, self.port, self.device_id, api_key)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def save_device(data: Path, device: EnrolledDevice) -> None:
    """Keep the enrolment in the data folder."""
    write_private(data / DEVICE_FILE, json.dumps(asdict(device), indent=2) + "\n")


def load_device(data: Path) -> EnrolledDevice:
    """Read the enrolment. Raises NotEnrolledError."""
    path = data / DEVICE_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        device = EnrolledDevice(**fields)
    except FileNotFoundError as error:
        raise NotEnrolledError(f"this machine is not enrolled: there is no {path}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise NotEnrolledError(f"{path} cannot be read: {error}") from error
    if not is_client_id(device.device_id):
        raise NotEnrolledError(f"{path} names no possible device id")
    return device
