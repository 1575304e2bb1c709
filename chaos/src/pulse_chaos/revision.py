"""Which code a verdict is about: a digest of everything that takes part in a run, installed or in a clone."""

from __future__ import annotations

import hashlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import Final

_OURS: Final = "pulse_"
_BESIDE: Final = frozenset({"pulse_bench", "pulse_desktop"})
"""Packages that no run uses."""


def revision() -> str:
    """Return twelve hexadecimal digits, other ones as soon as one file of a package that takes part is another."""
    names = {module.name for module in pkgutil.iter_modules() if module.name.startswith(_OURS)} - _BESIDE
    digest = hashlib.sha256()
    for name in sorted(names):
        found = importlib.util.find_spec(name)
        for place in (found.submodule_search_locations if found is not None else None) or ():
            _add(digest, name, Path(place))
    return digest.hexdigest()[:12]


def _add(digest: hashlib._Hash, name: str, folder: Path) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{name}/{file.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
