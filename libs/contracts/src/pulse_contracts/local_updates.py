"""What an agent knows of newer releases of itself, as it tells the windows of its machine (`local_protocol`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from pulse_contracts.local_status import LocalModel


class UpdateMode(StrEnum):
    """What an agent may do about updates: the configuration key `updates.mode`."""

    OFF = "off"
    TELL = "tell"
    """It looks for releases; whoever administers the machine installs them."""
    DOWNLOAD = "download"


class UpdateProblem(StrEnum):
    """Why the last look, or the last download, came to nothing."""

    UNREACHABLE = "unreachable"
    NOT_OFFERED = "not_offered"
    """The server has no releases."""
    NO_KEYS = "no_keys"
    """This build trusts no release key."""
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled_back"
    """The server offers an older release than it did before."""
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"
    """The file is not what was signed: it was deleted."""
    NOT_WRITTEN = "not_written"


class UpdateDownload(LocalModel):
    """A file on its way, or there. `path` is set once it is whole and is what was signed."""

    name: str
    size: int
    received: int
    is_running: bool
    path: str | None = None
    problem: Annotated[str | None, Field(description="one of `UpdateProblem`")] = None
    detail: str = ""


class Update(LocalModel):
    """A release that is newer than this agent. `name` None: it has no file for this machine."""

    version: str
    released_ms: int
    notes: Annotated[dict[str, str], Field(description="by language")]
    platform: Annotated[str, Field(description="of this machine: one of `Platform`")]
    name: str | None = None
    size: int | None = None
    download: UpdateDownload | None = None


class UpdateStatus(LocalModel):
    """How updates stand. `checked_ms`: when the server's offer was last believed; `available` None: nothing newer."""

    mode: UpdateMode
    is_checking: bool = False
    checked_ms: int | None = None
    available: Update | None = None
    problem: Annotated[str | None, Field(description="one of `UpdateProblem`, of the last look")] = None
    detail: str = ""
