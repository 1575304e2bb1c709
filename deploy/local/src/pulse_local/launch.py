"""Become a child process: the few lines that run between fork and the real program.

Run as a script, `launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT …]`: asks the kernel to send SIGNAL when the parent
dies (Linux; elsewhere leftovers are found by the next `pulse up`), takes as many file descriptors as it may, becomes
the user UID:GID unless they are -1, and executes PROGRAM in the same process. It imports nothing of ours, so it costs
a few milliseconds, and needs no code between fork and exec in a parent that has threads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_PDEATHSIG = 1
_MOST_FILES = 65_536  # Enough for tens of thousands of device connections; more only costs the broker memory.


def _take_file_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Prepare this process and turn it into the program named in the arguments."""
    parent, death_signal, uid, gid = (int(value) for value in arguments[:4])
    _take_file_descriptors()
    if uid >= 0:
        _become(uid, gid)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(arguments[4], arguments[4:])  # noqa: S606 - the program and its arguments come from our own process specs


if __name__ == "__main__":
    main(sys.argv[1:])
