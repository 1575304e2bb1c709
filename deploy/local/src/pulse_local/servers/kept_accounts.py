"""A copy of the broker's accounts, for when its own file is torn.

Mosquitto 2.0.11, which Debian 12 has, rewrites the file in place: a kill or a full disk in that moment leaves half of it or
nothing, and devices' keys are nowhere else. So whoever runs the broker keeps a copy of each whole version, a few seconds
after it was written; what changed in these seconds is lost with the file, and identity names it (`broker_accounts_missing`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pulse_local.system_user import SystemUser, give


def kept_copy(file: Path) -> Path:
    """Return where the copy of an accounts file is."""
    return file.with_name(file.name + ".kept")


def keep_accounts(file: Path, owner: SystemUser | None) -> None:
    """Copy the file if it is whole and newer than its copy. Without room for that, the older copy stays."""
    copy = kept_copy(file)
    with suppress(OSError):
        written = file.stat().st_mtime_ns
        if copy.exists() and copy.stat().st_mtime_ns >= written:
            return
        text = file.read_text(encoding="utf-8")
        if _parsed(text) is None:
            return
        draft = copy.with_name(copy.name + ".new")
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        give(draft, owner, 0o600).replace(copy)


def held_accounts(file: Path) -> dict[str, Any] | None:
    """Return what the file holds, else what its copy does; None when neither is there and whole."""
    for place in (file, kept_copy(file)):
        with suppress(OSError):
            found = _parsed(place.read_text(encoding="utf-8"))
            if found is not None:
                return found
    return None


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) and isinstance(content.get("clients"), list) else None
