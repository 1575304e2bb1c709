"""Another clock for one service of a running stack, stepped at will while it runs; everybody else keeps the machine's.

How: the stack is started with a folder on PYTHONPATH whose `sitecustomize` looks for a file with the service's name. When
there is one as a service starts, the process becomes itself again with libfaketime, which reads the offset from that file
every second. Without the file nothing is loaded, and a loaded library changes nothing. Monotonic time is left alone, as a
step of a real clock leaves it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from pulse_chaos import namespace

REREAD_SECONDS: Final = 1.0
"""How long a step may take to be seen."""
_HOOK: Final = """
import os, sys

def become(library, folder):
    arguments = sys.orig_argv
    service = next((part[6:] for part in arguments if part.startswith("pulse_")), "")
    clock = os.path.join(folder, service)
    if arguments[-1] == "serve" and os.path.exists(clock) and "FAKETIME_TIMESTAMP_FILE" not in os.environ:
        os.environ.update(
            LD_PRELOAD=library,
            FAKETIME_TIMESTAMP_FILE=clock,
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
            NO_FAKE_STAT="1",
        )
        os.execv(sys.executable, [sys.executable, *arguments[1:]])

become({library!r}, {folder!r})
"""


def prepare(folder: Path) -> dict[str, str]:
    """Make the folder; return what the stack must be started with. Nothing, where libfaketime is not installed."""
    library = namespace.find_faketime()
    if library is None:
        return {}
    folder.mkdir(parents=True)
    hook = _HOOK.replace("{library!r}", repr(str(library))).replace("{folder!r}", repr(str(folder)))
    (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))}


def set_clock(folder: Path, service: str, seconds: float) -> None:
    """Set a service's clock so far from the machine's: at once in one that looks, at its start in any other.

    Who reads it finds the one or the other, never half; of two who set it at the same time, the last one does.
    """
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=folder, prefix=".", delete=False) as draft:
        draft.write(f"{seconds:+.0f}s\n")
    Path(draft.name).replace(folder / service)


def looks(pid: int) -> bool:
    """Say whether a process was started with a clock that can be set."""
    try:
        return b"libfaketime" in Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return False
