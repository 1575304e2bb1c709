"""Whether an offered release is believed: who signed it, until when it holds, and that it is not an old one.

Guarantees: what is returned was signed as a release by a key of this build and has not expired; it is never older than
what was believed before, so that whoever has the server can withhold releases and cannot bring back an old one. Time
never counts as earlier than the newest signature that was believed, so that a clock set back does not revive one.
"""

from __future__ import annotations

from pulse_agent.updates.problems import Problem, UpdateError
from pulse_chassis.signatures import SignatureError, TrustedKeys
from pulse_contracts.releases import (
    MAX_MANIFEST_CHARS,
    RELEASE_TYPE,
    ReleaseFile,
    ReleaseManifest,
    version_order,
)

_BY_CODE = {"malformed": Problem.MALFORMED, "unknown_key": Problem.UNKNOWN_KEY}


def opened(token: str | bytes, keys: TrustedKeys) -> ReleaseManifest:
    """Return what one of the keys signed as a release, expired or not. Raises UpdateError."""
    try:
        return ReleaseManifest.model_validate_json(keys.open(token, RELEASE_TYPE, max_chars=MAX_MANIFEST_CHARS))
    except SignatureError as error:
        raise UpdateError(_BY_CODE.get(error.code, Problem.BAD_SIGNATURE), str(error)) from error
    except ValueError as error:
        raise UpdateError(Problem.MALFORMED, "signed, but no manifest of a release") from error


def believed(token: str | bytes, keys: TrustedKeys, before: ReleaseManifest | None, now: float) -> ReleaseManifest:
    """Return the release that is offered. `before` was believed last, `now` is Unix seconds. Raises UpdateError."""
    manifest = opened(token, keys)
    if before is not None:
        now = max(now, before.signed_at)
        if _order(manifest) < _order(before):
            raise UpdateError(Problem.ROLLED_BACK, f"{manifest.version} is offered, {before.version} was before")
    if manifest.expires_at <= now:
        raise UpdateError(Problem.EXPIRED, f"the offer of {manifest.version} held until {manifest.expires_at}")
    return manifest


def is_newer(manifest: ReleaseManifest, version: str) -> bool:
    """Tell whether a release is newer than the program of this version."""
    return version_order(manifest.version) > version_order(version)


def file_for(manifest: ReleaseManifest, platform: str, machine: str) -> ReleaseFile | None:
    """Return the file for a machine; None: the release has none."""
    return next((file for file in manifest.files if (file.platform, file.machine) == (platform, machine)), None)


def _order(manifest: ReleaseManifest) -> tuple[object, int]:
    return version_order(manifest.version), manifest.signed_at
