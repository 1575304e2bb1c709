"""What all tests of the workspace share: how Hypothesis searches, and that one address may play many people."""

import os
import sys
from pathlib import Path

from hypothesis import settings

# No deadline: how long an example takes is for the benchmarks, and a busy machine is no failure. Derandomised: the same
# commit passes or fails the same way everywhere; `--hypothesis-seed` or `--hypothesis-profile=default` searches anew.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# Also for the stacks that tests start. Tests of the limits themselves set their own.
os.environ.setdefault("PULSE_RATE_LIMITS", "off")

# Node is in .venv where the system has none that is new enough (clients/dashboard/scripts/node.sh).
_programs = Path(sys.prefix, "bin")
if (_programs / "node").exists():
    os.environ["PATH"] = f"{_programs}{os.pathsep}{os.environ['PATH']}"
