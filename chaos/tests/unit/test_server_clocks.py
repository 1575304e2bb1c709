"""A service whose clock is set takes it at its start; another, and one without a file, keeps the machine's."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulse_chaos import namespace, server_clocks

PROGRAM = """
import select, sys, time
print(time.time(), flush=True)
sys.stdin.readline()
for _ in range(100):
    select.select([], [], [], 0.1)
    if abs(time.time() - float(sys.argv[1])) < 600:
        break
print(time.time(), flush=True)
"""
NEEDS_IT = pytest.mark.skipif(namespace.find_faketime() is None, reason="libfaketime is not installed")


@pytest.fixture
def clocks(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    for name in ("pulse_one", "pulse_other"):
        (tmp_path / "code" / name).mkdir(parents=True)
        (tmp_path / "code" / name / "__main__.py").write_text(PROGRAM)
    added = server_clocks.prepare(tmp_path / "clocks")
    path = os.pathsep.join([added.get("PYTHONPATH", ""), str(tmp_path / "code")])
    return tmp_path / "clocks", {**os.environ, "PYTHONPATH": path}


def start(service: str, environment: dict[str, str], expected: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"pulse_{service}", str(expected), "serve"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> float:
    assert process.stdout is not None
    return float(process.stdout.readline())


@NEEDS_IT
def test_a_clock_is_wrong_for_one_service_and_steps_while_it_runs(clocks) -> None:
    folder, environment = clocks
    server_clocks.set_clock(folder, "one", 0)
    with start("one", environment, time.time() - 7200) as one, start("other", environment, time.time()) as other:
        assert abs(said(one) - time.time()) < 600
        assert server_clocks.looks(one.pid)
        assert abs(said(other) - time.time()) < 600
        assert not server_clocks.looks(other.pid)
        server_clocks.set_clock(folder, "one", -7200)
        server_clocks.set_clock(folder, "other", -7200)
        stepped, _ = one.communicate("go\n", timeout=60)
        assert abs(float(stepped) - (time.time() - 7200)) < 600
        later, _ = other.communicate("go\n", timeout=60)
        assert abs(float(later) - time.time()) < 600, "it was started without a clock of its own"


def test_without_a_file_nothing_is_loaded(clocks) -> None:
    _, environment = clocks
    with start("one", environment, time.time()) as one:
        assert abs(said(one) - time.time()) < 600
        assert not server_clocks.looks(one.pid)
        one.communicate("go\n", timeout=60)


def test_two_steps_at_the_same_time_set_one_clock(tmp_path: Path) -> None:
    def step(seconds: float) -> None:
        for _ in range(200):
            server_clocks.set_clock(tmp_path, "one", seconds)

    with ThreadPoolExecutor(4) as steps:
        list(steps.map(step, (0, 60, 3600, -7200)))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_text() in {"+0s\n", "+60s\n", "+3600s\n", "-7200s\n"}
