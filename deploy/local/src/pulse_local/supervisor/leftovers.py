"""Finds and ends the processes that a killed supervisor left behind, before a new one starts.

Only processes that are recognised by id and start time are touched.
"""

from __future__ import annotations

import signal
from pathlib import Path

from pulse_local.data_directory import DataDirectory
from pulse_local.processes import ProcessMark, end_leftovers
from pulse_local.supervisor.state import StackState

_SECONDS = 10.0  # What is still there then is stuck: PostgreSQL recovers from a kill like from any crash.


def end_what_was_left(directory: DataDirectory) -> list[str]:
    """End what an earlier supervisor started and did not stop; returns the names of what was found.

    The caller holds the directory's lock: the earlier supervisor is dead.
    """
    state = StackState.read(directory.state_file)
    found: dict[str, tuple[ProcessMark, signal.Signals]] = {}
    for part in state.parts.values() if state is not None else ():
        mark = part.mark()
        if mark is not None and mark.is_alive():
            found[part.name] = (mark, signal.Signals(part.stop_signal))
    postmaster = _postmaster(directory.postgres / "postmaster.pid")
    if postmaster is not None and postmaster.is_alive():
        found["postgres"] = (postmaster, signal.SIGINT)
    end_leftovers(list(found.values()), _SECONDS)
    directory.stack_file.unlink(missing_ok=True)
    return list(found)


def _postmaster(path: Path) -> ProcessMark | None:
    """Read PostgreSQL's own note of its process, for one started just before the supervisor was killed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pid, started = int(lines[0]), float(lines[2])
    except (OSError, IndexError, ValueError):
        return None
    mark = ProcessMark.of(pid)
    # The postmaster notes its time a moment after its process was made.
    return mark if mark is not None and 0 <= started - mark.started + 2 <= 60 else None
