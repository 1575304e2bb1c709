"""Namespaces of one's own, where root may break links and fill disks without harming the machine or another worker.

Guarantees: rules and mounts are made only inside of a namespace that this program made itself, and end with it; so does
every process that was started there, whatever becomes of the one that is first. Elsewhere the scenarios that need one are
skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

_ENTERED: Final = "PULSE_CHAOS_NAMESPACE"
# The shell stays: as the first process of its namespace it buries those whose parents have gone.
_ENTER: Final = (
    "ip link set lo up && mount --make-rprivate / && "
    f'{_ENTERED}=$(stat -Lc %i /proc/self/ns/net) && export {_ENTERED} && "$@"; exit $?'
)
_UNSHARE: Final = ("unshare", "--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
_WRAPPER: Final = (*_UNSHARE, "--", "sh", "-c", _ENTER, "sh")


def is_own() -> bool:
    """Say whether this process has a namespace of its own."""
    ours = Path("/proc/self/ns/net")
    return ours.exists() and os.environ.get(_ENTERED) == str(ours.stat().st_ino)


@cache
def why_not() -> str | None:
    """Say why there can be none here; None: it can be entered."""
    if sys.platform != "linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "not root"
    for program in ("unshare", "ip", "mount"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    tried = subprocess.run([*_WRAPPER, "true"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return None if tried.returncode == 0 else f"this system does not let us: {tried.stderr.strip()}"


def inside(command: Sequence[str]) -> list[str]:
    """Return the command that runs this one in namespaces of its own, or the same where there can be none."""
    return list(command) if why_not() is not None else [*_WRAPPER, *command]


def find_faketime() -> Path | None:
    """Return the library that gives a process another clock, where it is installed."""
    # By known depths: a search through all of /usr/lib takes seconds, in which a run's links would stand still.
    places = ("lib/*/faketime", "lib/faketime", "lib64/faketime", "local/lib/faketime")
    found = (file for place in places for file in Path("/usr").glob(f"{place}/libfaketimeMT.so.1"))
    return next(found, None)
