"""The output of an agent that a window started has a bound, while it goes on to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulse_agent.command_line.own_output import OwnOutput
from pulse_contracts.local_address import OUTPUT_FILE, OUTPUT_FILE_BEFORE

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    """The descriptor that the agent writes by."""
    descriptor = os.open(tmp_path / OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    yield descriptor
    os.close(descriptor)


def test_too_much_is_put_aside_and_writing_goes_on_at_the_beginning(tmp_path: Path, output: int) -> None:
    own = OwnOutput(tmp_path, max_bytes=1_000, descriptor=output)
    file, before = tmp_path / OUTPUT_FILE, tmp_path / OUTPUT_FILE_BEFORE
    for _ in range(10):
        os.write(output, LINE)
    own.look()
    assert (file.stat().st_size, before.exists()) == (1_000, False)
    os.write(output, b"the newest\n")
    own.look()
    assert (file.stat().st_size, before.stat().st_size) == (0, 1_000)
    assert before.read_bytes().endswith(b"the newest\n")
    assert before.stat().st_mode & 0o777 == 0o600
    os.write(output, b"goes on\n")
    assert file.read_bytes() == b"goes on\n"


def test_what_others_keep_is_left_alone(tmp_path: Path, output: int) -> None:
    os.write(output, LINE * 20)
    with (tmp_path / "service.log").open("ab") as service:
        OwnOutput(tmp_path, max_bytes=1_000, descriptor=service.fileno()).look()
    assert (tmp_path / OUTPUT_FILE).stat().st_size == 2_000
    OwnOutput(tmp_path / "nowhere", max_bytes=1_000, descriptor=output).look()
