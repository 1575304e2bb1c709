"""What cannot be done is said, with exit code 2, before anything is started."""

import subprocess
import sys

import pytest


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pulse_local", "chaos", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to run"),
        (("--scenario", "no-such", "--seed", "1..20"), "there is no scenario"),
    ],
)
def test_a_run_that_cannot_be_done_as_asked_is_refused(arguments, said) -> None:
    done = chaos(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_list_names_what_there_is() -> None:
    done = chaos("--list")
    assert done.returncode == 0
    assert "kill-ingest" in done.stdout
    assert "without-dedupe" in done.stdout
