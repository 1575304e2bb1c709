"""`stack.json`: where a running stack is and how to get in, for people, tests and tools. Mode 0600."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pulse_local.errors import NotRunningError
from pulse_local.private_files import write_private


class MqttAddress(BaseModel):
    """The broker: plain port, TLS port and the authority that signs its certificate."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    tls_port: int
    ca_file: str


class AdminAccount(BaseModel):
    """The first administrator."""

    model_config = ConfigDict(frozen=True)

    username: str
    password: str


class ServiceAddress(BaseModel):
    """One running service."""

    model_config = ConfigDict(frozen=True)

    url: str
    pid: int


class StackFile(BaseModel):
    """The file's whole content."""

    model_config = ConfigDict(frozen=True)

    gateway_url: str
    mqtt: MqttAddress
    database_url: str
    redis_url: str
    admin: AdminAccount
    services: dict[str, ServiceAddress]

    def write(self, path: Path) -> None:
        """Replace the file."""
        write_private(path, json.dumps(self.model_dump(), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> StackFile:
        """Read the file; raises NotRunningError when there is none that can be understood."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError) as error:
            raise NotRunningError(
                "not_running", f"No stack runs on {path.parent}.", "Start one with `pulse up`."
            ) from error
