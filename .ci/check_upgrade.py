"""Run the previous release's storage and integration tests against the schema of today's migrations.

    make check-upgrade PREVIOUS=0.1.0 [TESTS="services/ingest/tests/integration"]

The previous release's tree is taken from git into dist/upgrade and installed into an environment of its own. Wherever its
tests migrate a database, today's migrations run instead, by today's environment (`upgrade/newer_schema.py`): what fails
then is old code that breaks while a rolling upgrade is under way, or after a rollback. Without PREVIOUS it is the newest
tag before this commit; while there is no release yet there is nothing to hold to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
RELEASES = "[0-9]*.[0-9]*.[0-9]*"
TREES = ("libs/*", "services/*", "clients/desktop/agent", "clients/simulator", "deploy/local")


def main() -> int:
    """Return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("previous", nargs="?", default="", help="a tag or another commit of git")
    parser.add_argument("tests", nargs="*", help="paths in that tree; the integration tests of all services")
    given = parser.parse_args()
    previous = given.previous or newest_release()
    if not previous:
        print("no release before this one: nothing to hold the migrations to")
        return 0
    commit = git("rev-parse", "--verify", f"{previous}^{{commit}}").decode().strip()
    tree = ROOT / "dist/upgrade" / commit[:12]
    if not (tree / ".venv/installed").exists():
        install(commit, tree)
    tests = given.tests or sorted(str(path.relative_to(tree)) for path in tree.glob("services/*/tests/integration"))
    print(f"the tests of {previous} ({commit[:12]}) against today's migrations", flush=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / ".ci/upgrade"),
        "PULSE_NEWER_TREE": str(ROOT),
        "PULSE_NEWER_PYTHON": sys.executable,
    }
    command = [str(tree / ".venv/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "newer_schema"]
    return subprocess.run([*command, *tests], cwd=tree, env=environment, check=False).returncode


def newest_release() -> str:
    """Return the newest tag of a release before this commit; nothing while there is none."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--tags", "--abbrev=0", "--match", RELEASES, "HEAD^"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def git(*arguments: str) -> bytes:
    """Return what git says."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


def install(commit: str, tree: Path) -> None:
    """Unpack a commit and install what its lock names and its members, as its own Makefile would."""
    print(f"installing {commit[:12]} into {tree.relative_to(ROOT)}", flush=True)
    with tarfile.open(fileobj=BytesIO(git("archive", commit))) as archive:
        archive.extractall(tree, filter="data")
    python = tree / ".venv/bin/python"
    members = [str(path.parent) for place in TREES for path in sorted(tree.glob(f"{place}/pyproject.toml"))]
    uv = str(BIN / "uv")
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(tree / ".venv")], check=True)
    install = [uv, "pip", "install", "-q", "--python", str(python)]
    subprocess.run([*install, "--require-hashes", "-r", str(tree / "requirements.lock")], check=True)
    editable = [part for member in members for part in ("-e", member)]
    subprocess.run([*install, "--no-deps", "--no-build-isolation", *editable], check=True)
    (python.parents[1] / "installed").touch()


if __name__ == "__main__":
    sys.exit(main())
