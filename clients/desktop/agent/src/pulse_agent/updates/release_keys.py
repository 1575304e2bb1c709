"""Whose releases this program believes: the public keys that were built into it, more than one while they change.

`release-keys.json` beside this module is a JWK set. It is empty in the sources: whoever builds a package puts their own
keys there (packaging/package.py, PULSE_RELEASE_KEYS). Without a key nothing is looked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pulse_chassis.logging import get_logger
from pulse_chassis.signatures import TrustedKeys

BUILT_IN: Final = Path(__file__).with_name("release-keys.json")

_log = get_logger("updates")


def release_keys(path: Path | None = None) -> TrustedKeys | None:
    """Return the keys in `path`, the built-in ones without it; None: there is none, or they cannot be read."""
    source = path or BUILT_IN
    try:
        keys = json.loads(source.read_text(encoding="utf-8"))["keys"]
        return TrustedKeys(keys) if keys else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.error("release_keys_unreadable", file=str(source), reason=str(error))
        return None
