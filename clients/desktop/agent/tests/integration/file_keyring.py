"""A keyring backend that keeps its secrets in the file KEYRING_FILE: what a desktop's own keyring is to the agent."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class FileKeyring(KeyringBackend):
    priority = 1.0  # type: ignore[assignment] # keyring's own way to rank backends

    def set_password(self, service: str, username: str, password: str) -> None:
        path = Path(os.environ["KEYRING_FILE"])
        kept = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(kept | {f"{service}/{username}": password}))

    def get_password(self, service: str, username: str) -> str | None:
        path = Path(os.environ["KEYRING_FILE"])
        if path.with_suffix(".locked").exists():
            raise KeyringLocked("it is locked")
        found = json.loads(path.read_text()).get(f"{service}/{username}")
        return None if found is None else str(found)
