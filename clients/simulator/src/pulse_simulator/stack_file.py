"""Where the embedded stack is, as `pulse up` wrote it down: `.pulse/stack.json` (deploy.md).

Reads only, and takes any file that has the fields it needs; fields it does not know are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT_PATH: Final = Path(".pulse/stack.json")


class StackFileError(Exception):
    """There is no such file, or it is not what `pulse up` writes."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MqttAddress(_Part):
    """Where the broker listens; `tls_port` needs `ca_file` to be verified."""

    host: str
    port: int | None = None
    tls_port: int | None = None
    ca_file: str | None = None


class AdminLogin(_Part):
    """The first administrator."""

    username: str
    password: Annotated[str, Field(repr=False)]


class StackFile(_Part):
    """What other programs need to know of a running stack."""

    gateway_url: str
    mqtt: MqttAddress
    admin: AdminLogin
    database_url: Annotated[str | None, Field(repr=False)] = None


def read_stack_file(path: Path = DEFAULT_PATH) -> StackFile:
    """Read the file; raise StackFileError with a sentence for people when that is not possible."""
    try:
        return StackFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StackFileError(f"There is no running stack: {path} does not exist. Start one with `pulse up`.") from None
    except OSError as error:
        raise StackFileError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its content"
        raise StackFileError(f"{path} is not what `pulse up` writes: {field} is missing or wrong.") from None
