"""What a backup holds: a directory of files, and the manifest that names each with its size and digest.

The manifest is written last and the directory gets its name after that: what has its name is whole. A file that is
missing, added, cut or changed since is found before anything is restored from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pulse_local.errors import UnusableDataError
from pulse_local.private_files import write_private

FORMAT: Final = 1
"""Raised when an older `pulse` could not restore what a newer one wrote."""
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database"
STREAMS: Final = "streams.ndjson"
FILES: Final = "files"
_BLOCK: Final = 1024 * 1024


class BackedUpFile(BaseModel):
    """One file, by its path in the backup."""

    model_config = ConfigDict(frozen=True)

    path: str
    bytes: int = Field(ge=0)
    sha256: str


class Manifest(BaseModel):
    """The file's whole content."""

    model_config = ConfigDict(frozen=True)

    format: int
    made_at: datetime
    postgresql: str
    files: list[BackedUpFile]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


def write_manifest(root: Path, postgresql: str, made_at: datetime) -> Manifest:
    """Describe every file below `root`, and write that down in it."""
    found = [
        BackedUpFile(path=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=_digest(path))
        for path in _files(root)
    ]
    manifest = Manifest(format=FORMAT, made_at=made_at.astimezone(UTC), postgresql=postgresql, files=found)
    write_private(root / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def read_manifest(root: Path) -> Manifest:
    """Return the manifest. Raises UnusableDataError when there is none that this version understands."""
    try:
        manifest = Manifest.model_validate_json((root / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise UnusableDataError(
            "no_backup", f"{root} is no backup: {MANIFEST} is missing or damaged.", "Name a directory `pulse-…`."
        ) from error
    if manifest.format != FORMAT:
        raise UnusableDataError(
            "other_format",
            f"{root} has format {manifest.format}; this version reads {FORMAT}.",
            "Use the version of PrecisionPulse that made it.",
        )
    return manifest


def verify(root: Path, manifest: Manifest, progress: Callable[[int], None]) -> None:
    """Compare every file with the manifest, telling the bytes read. Raises UnusableDataError naming the first at fault."""
    known = {file.path: file for file in manifest.files}
    there = {path.relative_to(root).as_posix() for path in _files(root)} - {MANIFEST}
    for path in sorted(there ^ known.keys()):
        raise _damaged(root, path, "is missing" if path in known else "does not belong to it")
    for file in manifest.files:
        if (root / file.path).stat().st_size != file.bytes or _digest(root / file.path, progress) != file.sha256:
            raise _damaged(root, file.path, "was changed since")


def _damaged(root: Path, path: str, what: str) -> UnusableDataError:
    return UnusableDataError("backup_damaged", f"The backup {root} is damaged: {path} {what}.", "Use another backup.")


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file())


def _digest(path: Path, progress: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            if progress is not None:
                progress(len(block))
    return digest.hexdigest()
