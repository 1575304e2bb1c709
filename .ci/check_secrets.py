"""Fails when a tracked file holds what looks like a real credential. Needs no network.

Detectors that know a credential by its form are used; those that guess by entropy or by a neighbouring word are not,
because hashes, fixtures and tests are full of what they guess. A line may say `pragma: allowlist secret` and why.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
GUESSING = {
    "Base64HighEntropyString",
    "HexHighEntropyString",
    "KeywordDetector",
    "IPPublicDetector",
    "BasicAuthDetector",
}


def main() -> int:
    """Print what was found; returns the exit code."""
    known = {plugin.__name__ for plugin in get_mapping_from_secret_type_to_class().values()}
    settings = {
        "plugins_used": [{"name": name} for name in sorted(known - GUESSING)],
        "filters_used": [{"path": "detect_secrets.filters.allowlist.is_line_allowlisted"}],
    }
    git = ["git", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    found = SecretsCollection(root=str(ROOT))
    with transient_settings(settings):
        for name in files:
            found.scan_file(name)
    for file, secret in found:
        print(f"{file}:{secret.line_number}: {secret.type}")
    print(f"{len(files)} files, {len(found.json())} with secrets")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
