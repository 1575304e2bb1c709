"""The signed manifest of a desktop release: made of the packages in a directory, signed, and checked as an agent does.

Guaranteed: packages of two versions never get into one manifest; the manifest appears whole; a version that is signed again
keeps the time of its release. The private key is a JWK that belongs off the servers; agents trust the public ones that
were built into them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pulse_chassis.signatures import SignatureError, SigningKey, TrustedKeys
from pulse_contracts.releases import (
    MANIFEST_FILE,
    MAX_MANIFEST_CHARS,
    MAX_NOTES_CHARS,
    RELEASE_TYPE,
    VERSION_PATTERN,
    Platform,
    ReleaseFile,
    ReleaseManifest,
)
from pulse_local.errors import StackError
from pulse_local.private_files import write_private

_MACHINES: Final = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64"}
_VERSION: Final = VERSION_PATTERN.strip("^$")
_MACHINE: Final = "(?P<machine>amd64|x86_64|arm64)"
_NAMES: Final = {
    Platform.LINUX_DEB: rf"precisionpulse_(?P<version>{_VERSION})_{_MACHINE}\.deb",
    Platform.LINUX_FOLDER: rf"precisionpulse-(?P<version>{_VERSION})-linux-{_MACHINE}\.tar\.gz",
    Platform.WINDOWS: rf"precisionpulse-(?P<version>{_VERSION})-windows-{_MACHINE}-setup\.exe",
    Platform.MACOS: rf"precisionpulse-(?P<version>{_VERSION})-macos-{_MACHINE}\.dmg",
}
"""How `make desktop` names its packages."""
_NOTES: Final = re.compile(r"notes\.([a-z]{2})\.txt")


def new_key(path: Path) -> dict[str, str]:
    """Write a new private key to `path`, which must not exist; return its public half."""
    if path.exists():
        raise StackError("key_exists", f"there is a key in {path} already", "Choose another file.")
    key = SigningKey.generate()
    write_private(path, json.dumps(key.private_jwk()) + "\n")
    return key.public_jwk()


def signing_key(text: str) -> SigningKey:
    """Return the private key that a JWK is. Raises StackError."""
    try:
        return SigningKey(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise StackError("bad_key", "this is no private release key", "`pulse releases key FILE` makes one.") from error


def trusted_keys(path: Path) -> TrustedKeys:
    """Return the keys of a JWK set, as it is built into a package. Raises StackError."""
    try:
        return TrustedKeys(json.loads(path.read_text(encoding="utf-8"))["keys"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StackError("bad_keys", f"{path} is no set of public keys: {error}") from error


def sign_release(
    directory: Path, key: SigningKey, good_for: timedelta, changelog: Path | None = None
) -> ReleaseManifest:
    """Write the manifest of the packages in `directory`, signed; return what it says. Raises StackError."""
    now = int(datetime.now(UTC).timestamp())
    version, files = packages(directory)
    manifest = ReleaseManifest(
        version=version,
        released_at=_released_at(directory, version, key, now),
        signed_at=now,
        expires_at=now + int(good_for.total_seconds()),
        notes=_notes(directory, version, changelog),
        files=list(files),
    )
    token = key.sign(manifest.model_dump_json().encode(), RELEASE_TYPE)
    if len(token) > MAX_MANIFEST_CHARS:
        raise StackError("too_large", f"the manifest has {len(token)} characters", "Shorten the notes.")
    draft = directory / f"{MANIFEST_FILE}.new"
    draft.write_text(token + "\n", encoding="ascii")
    draft.replace(directory / MANIFEST_FILE)
    return manifest


def check_release(directory: Path, keys: TrustedKeys) -> ReleaseManifest:
    """Return the manifest if agents with these keys will believe it and its files are those that it names."""
    try:
        token = (directory / MANIFEST_FILE).read_text(encoding="ascii").strip()
        text = keys.open(token, RELEASE_TYPE, max_chars=MAX_MANIFEST_CHARS)
        manifest = ReleaseManifest.model_validate_json(text)
    except (OSError, ValueError, SignatureError) as error:
        raise StackError("not_believed", f"the manifest will not be believed: {error}") from error
    if manifest.expires_at <= datetime.now(UTC).timestamp():
        raise StackError("expired", "the manifest has expired", "Sign it again: `pulse releases sign`.")
    for offered in manifest.files:
        path = directory / offered.name
        if not path.is_file() or (path.stat().st_size, _sha256(path)) != (offered.size, offered.sha256):
            raise StackError("another_file", f"{path} is not what was signed", "Sign again what is meant.")
    return manifest


def packages(directory: Path) -> tuple[str, Sequence[ReleaseFile]]:
    """Return the version of the packages in a directory, and what a manifest says of each. Raises StackError."""
    found: dict[str, list[ReleaseFile]] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        for platform, pattern in _NAMES.items():
            named = re.fullmatch(pattern, path.name)
            if named is not None and path.is_file():
                entry = ReleaseFile(
                    platform=platform,
                    machine=_MACHINES[named["machine"]],
                    name=path.name,
                    size=path.stat().st_size,
                    sha256=_sha256(path),
                )
                found.setdefault(named["version"], []).append(entry)
    if not found:
        raise StackError("no_packages", f"there is no package in {directory}", "`make desktop` makes them.")
    if len(found) > 1:
        raise StackError("two_versions", f"{directory} has packages of {', '.join(found)}", "Keep those of one.")
    return next(iter(found.items()))


def _released_at(directory: Path, version: str, key: SigningKey, now: int) -> int:
    """Return when a version was released: now, unless this key has signed it before."""
    try:
        token = (directory / MANIFEST_FILE).read_text(encoding="ascii").strip()
        text = TrustedKeys([key.public_jwk()]).open(token, RELEASE_TYPE, max_chars=MAX_MANIFEST_CHARS)
        before = ReleaseManifest.model_validate_json(text)
    except (OSError, ValueError, SignatureError):
        return now
    return before.released_at if before.version == version else now


def _notes(directory: Path, version: str, changelog: Path | None) -> dict[str, str]:
    notes = {
        named[1]: path.read_text(encoding="utf-8").strip()
        for path in sorted(directory.iterdir())
        if (named := _NOTES.fullmatch(path.name)) is not None
    }
    if "en" not in notes and changelog is not None:
        text = _section(changelog.read_text(encoding="utf-8"), version)
        if text:
            notes["en"] = text if len(text) <= MAX_NOTES_CHARS else text[: MAX_NOTES_CHARS - 1] + "…"
    if any(len(text) > MAX_NOTES_CHARS for text in notes.values()):
        raise StackError("too_large", f"notes have at most {MAX_NOTES_CHARS} characters")
    return notes


def _section(changelog: str, version: str) -> str:
    """Return what a changelog says under the heading of a version."""
    _, _, rest = changelog.partition(f"\n## [{version}]")
    return rest.partition("\n")[2].partition("\n## ")[0].strip()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
