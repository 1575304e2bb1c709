"""Ctrl-C and SIGTERM end a campaign in order: no stack is left, and what was done is in the report."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

PATIENCE_SECONDS = 240.0


def processes_about(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)


def a_stack_starts(kept: Path) -> bool:
    return any(kept.glob("worker-*/site-001/stack/run/state.json"))


def a_run_is_under_load(kept: Path) -> bool:
    return any(oracle.stat().st_size for oracle in kept.glob("worker-*/site-001/run-001/crowd.oracle"))


@pytest.mark.parametrize(("number", "moment"), [(signal.SIGINT, a_stack_starts), (signal.SIGTERM, a_run_is_under_load)])
def test_no_stack_outlives_a_campaign_that_is_interrupted(tmp_path: Path, number, moment) -> None:
    kept = tmp_path / "kept"
    campaign = subprocess.Popen(
        [
            *(sys.executable, "-m", "pulse_local", "chaos", "--quick", "--jobs", "2", "--seed", "1..2"),
            *("--scenario", "kill-commands", "--report", str(tmp_path / "report"), "--keep", str(kept)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: moment(kept), "the moment to interrupt it")
        os.killpg(campaign.pid, number)  # All that a terminal's Ctrl-C would reach.
        assert campaign.wait(PATIENCE_SECONDS) == 3, "nothing failed, and not all was done"
    finally:
        campaign.kill()
        campaign.wait()
    wait_until(lambda: not processes_about(tmp_path), "the end of every process")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [run["why_not_done"] for run in report["runs"]] == ["interrupted", "interrupted"]


def test_no_stack_outlives_a_campaign_that_is_killed(tmp_path: Path) -> None:
    campaign = subprocess.Popen(
        [
            *(sys.executable, "-m", "pulse_local", "chaos", "--quick"),
            *("--scenario", "kill-commands", "--keep", str(tmp_path)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: a_stack_starts(tmp_path), "the start of a stack")
    campaign.kill()
    campaign.wait()
    wait_until(lambda: not processes_about(tmp_path), "the end of every process")
    assert processes_about(tmp_path) == []
