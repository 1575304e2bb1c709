"""The short set of every test run: three faults that must not matter, and a verdict that must fail."""

import json
import subprocess
import sys
from pathlib import Path

from pulse_chaos.invariants import Invariant

FAULTS = ("kill-ingest", "network-flapping", "database-locked")
SABOTAGE = "without-sequence"
PATIENCE_SECONDS = 900


def run(folder: Path, *scenarios: str) -> subprocess.CompletedProcess[str]:
    chosen = [part for name in scenarios for part in ("--scenario", name)]
    command = [
        *(sys.executable, "-m", "pulse_local", "chaos", "--quick", "--no-shrink", "--resume", *chosen),
        *("--report", str(folder / "report"), "--keep", str(folder / "kept")),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_the_short_set_holds_and_a_verdict_is_seen_failing(tmp_path: Path) -> None:
    done = run(tmp_path, *FAULTS, SABOTAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    found = {
        run["scenario"]: {finding["invariant"] for finding in run["findings"] if not finding["holds"]}
        for run in report["runs"]
    }
    assert found == {**{name: set() for name in FAULTS}, SABOTAGE: {Invariant.IN_ORDER}}
    assert all(run["evidence"]["accepted"] > 100 and run["samples"] for run in report["runs"])
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 4 * len(report["runs"])
    assert "src=" not in page
    assert "http" not in page, "the page is self-contained"

    again = run(tmp_path, FAULTS[0])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 of 1 runs have a verdict" in again.stderr
    assert json.loads((tmp_path / "report" / "report.json").read_text())["runs"] == report["runs"]
