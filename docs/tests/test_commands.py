"""Every command on every page is run, as it is written, against one embedded stack.

A fence marked `sh` is commands. The commands of a page run in order, in one shell that stops at the first error, in a
directory that looks like a checkout, where the stack keeps its `.pulse`. `blocks.py` says what may stand before a fence.

The usual ports are replaced by those that the stack found free; nothing else of a command is changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .blocks import ROOT, Block, blocks_of

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
LANGUAGES = {"sh", "text", "json", "yaml", "mermaid", "python", "javascript", "cpp", "http", "ini", "caddy", "sql"}
INDENTED = re.compile(r"^(?: {4}|\t)(?! *[-*0-9`|<])\S")
PAGE_SECONDS = 600

BLOCKS = {page: list(blocks_of(page)) for page in PAGES}
COMMANDS = {page: [block for block in blocks if block.info == "sh"] for page, blocks in BLOCKS.items()}
RUN = {
    page: [block for block in blocks if not block.not_run and not block.is_last] for page, blocks in COMMANDS.items()
}
LAST = [block for blocks in COMMANDS.values() for block in blocks if block.is_last]


def environment(checkout: Path) -> dict[str, str]:
    """Return what a person's shell would have: the venv's programs, a home of their own, nothing of this test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "PYTEST_"))}
    home = checkout / "home"
    home.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}:{kept['PATH']}:/usr/sbin"
    return kept | {
        "PATH": path,
        "HOME": str(home),
        "PULSE_RATE_LIMITS": "off",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "COLUMNS": "200",
    }


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A directory with everything of this checkout, in which the stack runs that the pages speak of."""
    directory = Path(tempfile.mkdtemp(prefix="pulse-docs-"))
    directory.chmod(0o755)
    for entry in ROOT.iterdir():
        if entry.name not in {".pulse", ".git", ".venv", "home", "site"}:
            (directory / entry.name).symlink_to(entry)
    (directory / ".venv").symlink_to(Path(sys.prefix))
    started = shell("pulse up --detach\n", directory)
    assert started.returncode == 0, started.stdout
    yield directory
    stopped = shell("pulse down\n", directory)
    shutil.rmtree(directory, ignore_errors=True)
    assert stopped.returncode == 0, stopped.stdout


def shell(script: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as a person's shell would, and stop it when it takes unreasonably long."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=checkout,
        env=environment(checkout),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )


def with_ports_of(checkout: Path, text: str) -> str:
    """Replace the usual ports by those of the stack."""
    stack = json.loads((checkout / ".pulse/stack.json").read_text(encoding="utf-8"))
    gateway = stack["gateway_url"].rsplit(":", 1)[-1]
    replaced = re.sub(r"\b8080\b", gateway, text)
    replaced = re.sub(r"\b8883\b", str(stack["mqtt"]["tls_port"]), replaced)
    return re.sub(r"\b1883\b", str(stack["mqtt"]["port"]), replaced)


def run_in_order(blocks: list[Block], checkout: Path) -> None:
    """Run blocks in one shell; fails with the place of the first that fails, or does not print what it should."""
    marks = [f"@@ {block.where} @@" for block in blocks]
    pairs = zip(marks, blocks, strict=True)
    script = "\n".join(f"echo '{mark}'\n{with_ports_of(checkout, block.text)}" for mark, block in pairs)
    # What a page starts in the background ends with its shell, also when a command in between fails.
    leaving = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
    done = shell(f"{leaving}\n{script}\necho '@@ end @@'\n", checkout)
    for mark, following, block in zip(marks, [*marks[1:], "@@ end @@"], blocks, strict=True):
        _, _, after = done.stdout.partition(f"{mark}\n")
        printed, found, _ = after.partition(f"{following}\n")
        assert found, f"{block.where} failed with {done.returncode}:\n{after[-6000:]}"
        assert block.prints is None or block.prints in printed, f"{block.where} printed no {block.prints!r}:\n{printed}"
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("page", [page for page in PAGES if RUN[page]], ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_the_page_says(page: Path, checkout: Path) -> None:
    run_in_order(RUN[page], checkout)


def test_the_page_of_the_database_is_what_the_migrations_give(checkout: Path) -> None:
    url = json.loads((checkout / ".pulse/stack.json").read_text(encoding="utf-8"))["database_url"]
    done = shell(f"python docs/scripts/database_page.py '{url}' --check\n", checkout)
    assert done.returncode == 0, done.stdout


def test_commands_that_stop_the_stack_do(checkout: Path) -> None:
    assert LAST, "no page says how to stop the stack"
    run_in_order(LAST, checkout)


def test_every_command_is_run_or_says_why_not() -> None:
    every = [block for blocks in COMMANDS.values() for block in blocks]
    run = sum(len(blocks) for blocks in RUN.values()) + len(LAST)
    not_run = [block for block in every if block.not_run]
    assert run + len(not_run) == len(every)
    assert run > 30, "the pages lost their commands"
    assert [block.where for block in not_run if len(block.not_run or "") < 10] == []
    print(f"{run} blocks of commands are run, {len(not_run)} are not")


def test_every_fence_says_what_it_is() -> None:
    """A fence without a language, or code by indentation, would hide its commands from this test."""
    unknown = [block.where for blocks in BLOCKS.values() for block in blocks if block.info not in LANGUAGES]
    assert unknown == []


def test_no_code_by_indentation() -> None:
    hidden = []
    for page, blocks in BLOCKS.items():
        lines = page.read_text(encoding="utf-8").splitlines()
        fenced = {n for block in blocks for n in range(block.line, block.line + block.text.count("\n") + 3)}
        for number, line in enumerate(lines, 1):
            before = lines[number - 2] if number > 1 else ""
            if number not in fenced and not before.strip() and INDENTED.match(line):
                hidden.append(f"{page.relative_to(ROOT)}:{number}: {line.strip()}")
    assert hidden == []


def test_commands_that_are_not_run_name_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        (block.where, target)
        for blocks in COMMANDS.values()
        for block in blocks
        if block.not_run
        for target in re.findall(r"^\s*make ([a-z-]+)", block.text, re.MULTILINE)
    }
    assert {(where, target) for where, target in named if target not in targets} == set()
