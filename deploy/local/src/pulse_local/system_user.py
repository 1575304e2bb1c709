"""The system user that servers run as when the stack itself runs as root.

PostgreSQL refuses to run as root, and no server needs to. Started by an ordinary user, everything runs as that user
and nothing here changes anything. As root, a system user without a home or a shell is created once, and directories on
the way to what it must read are made traversable (never listable) for others: without that a checkout below a private
home directory could not start.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pulse_local.errors import NotPermittedError

SERVER_USER = "precisionpulse"


@dataclass(frozen=True, slots=True)
class SystemUser:
    """An account of this machine that a server is started as."""

    name: str
    uid: int
    gid: int


def find_user(name: str) -> SystemUser | None:
    """Return the account of this name, None when the machine has none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_user(name: str = SERVER_USER) -> SystemUser | None:
    """Return the user to run servers as: None when we are not root, else `name`, created if it is missing."""
    if os.geteuid() != 0:
        return None
    return find_user(name) or _create_user(name)


def _create_user(name: str) -> SystemUser:
    program = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if program is None:
        raise NotPermittedError(
            "cannot_switch_user",
            "PostgreSQL does not run as root, and this system has no `useradd` to create a user for it.",
            "Run `pulse` as an ordinary user.",
        )
    command = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own fixed arguments
    # Two stacks may create the user at the same moment: the loser finds it made.
    user = find_user(name)
    if user is None:
        raise NotPermittedError(
            "cannot_switch_user",
            f"PostgreSQL does not run as root, and creating the system user {name} failed: {done.stderr.strip()}",
            "Run `pulse` as an ordinary user, or create that user.",
        )
    return user


def give(path: Path, owner: SystemUser | None, mode: int) -> Path:
    """Set the mode and, where servers have a user of their own, the owner of a path; returns the path."""
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
    return path


def make_directory(path: Path, owner: SystemUser | None = None, mode: int = 0o700) -> Path:
    """Create a directory (its parents traversable by servers), with this owner and mode."""
    path.mkdir(parents=True, exist_ok=True)
    return give(path, owner, mode)


def let_traverse(path: Path, owner: SystemUser | None) -> list[Path]:
    """Let the servers' user pass through every directory above `path`; returns the directories that were changed."""
    if owner is None:
        return []
    changed = []
    for directory in path.resolve().parents:
        status = directory.stat()
        if status.st_uid == owner.uid or status.st_mode & stat.S_IXOTH:
            continue
        directory.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
        changed.append(directory)
    return changed


def let_read_tree(root: Path, owner: SystemUser | None) -> None:
    """Let the servers' user read (and run what is executable in) an installed tree, whatever umask installed it."""
    if owner is None or not root.exists():
        return
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)
