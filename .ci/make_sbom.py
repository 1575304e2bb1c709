"""Writes dist/python.cdx.json: every Python package of requirements.lock as a CycloneDX 1.6 component, with licence and hashes.

The lock is what every install and every image uses, so the list is what is really there. Licences are those that the
installed packages state. The dashboard's list is npm's own work: dist/dashboard.cdx.json.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PACKAGE = re.compile(
    r"^([A-Za-z0-9._-]+)==([^\s;\\]+)[^\n]*((?:\n {4}--hash=sha256:[0-9a-f]{64}[^\n]*)+)", re.MULTILINE
)
HASH = re.compile(r"sha256:([0-9a-f]{64})")


def components(lock: str) -> Iterator[dict[str, Any]]:
    """Read the packages of a lock, each with the hashes of its files."""
    for name, version, hashes in PACKAGE.findall(lock):
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"pkg:pypi/{name}@{version}",
                    "hashes": [{"alg": "SHA-256", "content": one}],
                }
                for one in HASH.findall(hashes)
            ],
        }
        if licence := licence_of(name):
            component["licenses"] = [{"license": {"name": licence}}]
        yield component


def licence_of(name: str) -> str | None:
    """Return the licence that an installed package states; None where it is not installed here, or states none."""
    try:
        stated = importlib.metadata.metadata(name).json
    except importlib.metadata.PackageNotFoundError:
        return None
    return str(stated.get("license_expression") or stated.get("license") or "").split("\n")[0][:100] or None


def main() -> int:
    """Write both lists; returns the exit code."""
    DIST.mkdir(exist_ok=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": project["name"], "version": project["version"]}},
        "components": list(components((ROOT / "requirements.lock").read_text(encoding="utf-8"))),
    }
    (DIST / "python.cdx.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    listing = [str(ROOT / "clients/dashboard/scripts/node.sh"), "npm", "sbom", "--package-lock-only", "--omit", "dev"]
    with (DIST / "dashboard.cdx.json").open("w", encoding="utf-8") as file:
        return subprocess.run([*listing, "--sbom-format", "cyclonedx"], stdout=file, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
