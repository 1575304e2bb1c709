"""Fails when a requirement of the workspace is not satisfied by requirements.lock. Needs no network.

Whether the lock is the newest possible is not asked; whether it is enough, and has a hash for everything, is.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


def members() -> list[Path]:
    """Return the pyproject.toml of every member of the workspace."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]["workspace"]
    return sorted(path for pattern in workspace["members"] for path in ROOT.glob(f"{pattern}/pyproject.toml"))


def requirements(file: Path) -> list[str]:
    """Return what one project asks for: to run, to be built, with its extras and in its groups."""
    project = tomllib.loads(file.read_text(encoding="utf-8"))
    asked = [*project["project"].get("dependencies", []), *project.get("build-system", {}).get("requires", [])]
    for group in (project["project"].get("optional-dependencies", {}), project.get("dependency-groups", {})):
        for one in group.values():
            asked += one
    return asked


def main() -> int:
    """Print what is missing; returns the exit code."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked: dict[str, list[Version]] = {}
    for name, version in LOCKED.findall(text):
        locked.setdefault(canonicalize_name(name), []).append(Version(version))
    files = members()
    own = {canonicalize_name(tomllib.loads(f.read_text(encoding="utf-8"))["project"]["name"]) for f in files}
    wrong = []
    for file in (ROOT / "pyproject.toml", *files):
        for line in requirements(file):
            asked = Requirement(line)
            name = canonicalize_name(asked.name)
            if name in own or any(
                asked.specifier.contains(version, prereleases=True) for version in locked.get(name, [])
            ):
                continue
            wrong.append(f"{file.relative_to(ROOT)}: {line} is not satisfied by requirements.lock")
    blocks = re.split(r"\n(?=\S)", text.strip())
    wrong += [
        f"no hash for {block.splitlines()[0]}" for block in blocks if LOCKED.match(block) and "--hash=" not in block
    ]
    print("\n".join(wrong) or f"{len(locked)} locked packages satisfy {len(files) + 1} projects")
    if wrong:
        print("run `make lock`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
