"""A disk that refuses writes: puts fail and say so, and what they lost is declared when the disk works again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("failing_disk.py")


def test_readings_that_a_failing_disk_refused_are_declared_lost_once_it_works_again(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path / "outbox.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["failed"] > 0
    assert seen["rows"] == seen["stored"]
    assert {reason for _, _, reason in seen["losses"]} == {"error"}
    assert sum(high - low + 1 for low, high, _ in seen["losses"]) == seen["failed"]
    assert seen["next"] == seen["stored"] + seen["failed"] + 1
