"""What a gateway offers desktops as the newest release of the desktop client, and how such an offer is believed.

`GET MANIFEST_PATH` answers a compact JWS (ES256, `typ` `RELEASE_TYPE`) whose payload is `ReleaseManifest`; beside it,
`GET FILES_PATH/{name}` has the files. The gateway only keeps them: whoever takes it over can withhold a release, and can
neither make one up nor bring an old one back. Times are Unix seconds, as in a JWT.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

RELEASE_TYPE: Final = "pulse-release+jws"
MANIFEST_PATH: Final = "/api/releases/manifest"
FILES_PATH: Final = "/api/releases/files"
MANIFEST_FILE: Final = "manifest.jws"
"""In the directory that a gateway serves."""
MAX_MANIFEST_CHARS: Final = 64 * 1024
MAX_FILE_BYTES: Final = 4 * 1024**3
MAX_NOTES_CHARS: Final = 4000
FILE_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,119}\.(deb|dmg|exe|msi|pkg|zip|tar\.gz|tar\.xz)$"
"""Packages only: what else lies in the directory, a key for instance, is nobody's business."""
VERSION_PATTERN: Final = r"^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
_VERSION: Final = re.compile(VERSION_PATTERN)

Seconds = Annotated[int, Field(ge=0, lt=2**53, description="Unix seconds")]


class Platform(StrEnum):
    """For what a file is."""

    LINUX_DEB = "linux-deb"
    LINUX_FOLDER = "linux-folder"
    WINDOWS = "windows"
    MACOS = "macos"


class _Offer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class ReleaseFile(_Offer):
    """One file of a release."""

    platform: Annotated[str, Field(max_length=32, description="one of `Platform`; others are for later clients")]
    machine: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,16}$", description="`x86_64` or `arm64`")]
    name: Annotated[str, Field(pattern=FILE_NAME_PATTERN)]
    size: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES, description="bytes")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ReleaseManifest(_Offer):
    """What the signature covers. After `expires_at` it is not believed: a new one may say the same for longer."""

    v: Literal[1] = 1
    product: Literal["precisionpulse-desktop"] = "precisionpulse-desktop"
    version: Annotated[str, Field(pattern=VERSION_PATTERN, max_length=64)]
    released_at: Seconds
    signed_at: Annotated[Seconds, Field(description="of two manifests of one version the later one counts")]
    expires_at: Seconds
    notes: Annotated[
        dict[str, Annotated[str, Field(max_length=MAX_NOTES_CHARS)]],
        Field(max_length=16, description="plain text by language (`en`, `de`)"),
    ] = {}
    files: Annotated[list[ReleaseFile], Field(min_length=1, max_length=32)]


def version_order(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return what orders versions: by their numbers; one with a suffix comes before the one without (semver.org, 11).

    What is no version comes before all others.
    """
    if _VERSION.fullmatch(version) is None:
        return (-1,), False, ()
    numbers, _, suffix = version.partition("-")
    parts = tuple((False, int(part), "") if part.isdigit() else (True, 0, part) for part in suffix.split(".") if suffix)
    return tuple(int(number) for number in numbers.split(".")), not suffix, parts
