"""The dashboard in headless Chromium before the real stack, as `make test` runs it.

`*.test.mjs` beside this file are what is tested; each is one case here. They can be run by hand before any stack (see
README.md), which is how they are written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulse_local.stack_file import StackFile

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
DIST = HERE.parents[1] / "dist"
SCRIPTS = sorted(path.name for path in HERE.glob("*.test.mjs"))
DEVICES = 3

pytestmark = pytest.mark.slow


def _pulse(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pulse_local", *arguments]


@pytest.fixture(scope="module")
def stack() -> Iterator[Path]:
    """The folder of a stack with three devices that send once a second."""
    for needed in ("node", os.environ.get("CHROMIUM", "/usr/bin/chromium")):
        if shutil.which(needed) is None:
            pytest.fail(f"{needed} is not installed: run clients/dashboard/scripts/install_chromium.sh")
    if not (DIST / "index.html").is_file():
        pytest.fail("the dashboard is not built: run `make dashboard`")
    # A short path: sockets of the servers live below it.
    data = Path(tempfile.mkdtemp(prefix="pulse-ui-"))
    with (data / "simulator.log").open("wb") as log:
        subprocess.run(_pulse("up", "--detach", "--data", str(data)), cwd=ROOT, check=True, timeout=180)
        simulator = subprocess.Popen(
            _pulse(
                "simulate", "--devices", str(DEVICES), "--rate", "1", "--prefix", "ui", "--duration", "2h",
                "--data", str(data / "simulator"), "--stack", str(data / "stack.json"),
            ),
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield data
        finally:
            simulator.terminate()
            simulator.wait(30)
            subprocess.run(_pulse("down", "--data", str(data)), check=False, timeout=120)
            shutil.rmtree(data, ignore_errors=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_in_browser(script: str, stack: Path) -> None:
    """What the script promises holds in a real browser."""
    found = StackFile.read(stack / "stack.json")
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", script],
        cwd=HERE,
        env=os.environ
        | {
            "PULSE_BASE": found.gateway_url,
            "PULSE_USERNAME": found.admin.username,
            "PULSE_PASSWORD": found.admin.password,
            "PULSE_LOGS": str(stack / "logs"),
            "PULSE_PYTHON": sys.executable,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
