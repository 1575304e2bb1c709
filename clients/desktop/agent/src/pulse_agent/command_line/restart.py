"""Starting this program again in its own place, after everything has stopped in order.

By `exec` where there is one: the process keeps its id, so a supervisor sees nothing end. What was asked for is only
remembered here until the agent has stopped.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


class Restart:
    """One process's wish to run again."""

    def __init__(self) -> None:
        self.is_wanted = False

    def request(self) -> None:
        """Stop this process as a signal would; `run_again` is then its last act."""
        self.is_wanted = True
        signal.raise_signal(signal.SIGTERM)

    def run_again(self) -> NoReturn:
        """Become this program anew, with the same arguments and environment."""
        arguments = sys.argv[1:] if getattr(sys, "frozen", False) else sys.orig_argv[1:]
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 # the program that runs already
