"""Fails when a workflow breaks a house rule: no logic of its own, nothing unpinned, no more rights than it needs.

Its form is checked by `check-jsonschema`; this looks at what a schema cannot: that every command is one make target that
exists, that every action of others is pinned by its commit, that rights are given job by job, and that nothing runs for ever or
twice at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
COMMAND = re.compile(r"^make ([a-z-]+)$")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def main() -> int:
    """Print what is wrong; returns the exit code."""
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    wrong = []
    for file in sorted((ROOT / ".github").rglob("*.yml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        wrong += [f"{file.relative_to(ROOT)}: {problem}" for problem in problems(document, targets)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


def problems(document: dict[str, Any], targets: set[str]) -> Iterator[str]:
    """Look at one workflow, or at one action of ours."""
    if "runs" in document:
        yield from step_problems("the action", document["runs"]["steps"], targets)
        return
    if document.get("permissions") != {}:
        yield "rights are given job by job: begin with `permissions: {}`"
    if "concurrency" not in document:
        yield "it needs a concurrency group"
    for name, job in document["jobs"].items():
        if "permissions" not in job:
            yield f"job {name} does not say which rights it needs"
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"job {name} has no timeout"
        yield from step_problems(f"job {name}", job.get("steps", []), targets)


def step_problems(where: str, steps: list[dict[str, Any]], targets: set[str]) -> Iterator[str]:
    """Look at the steps of a job."""
    for step in steps:
        action, command = step.get("uses"), step.get("run")
        if action and not action.startswith("./") and not PINNED.match(action):
            yield f"{where}: {action} is not pinned by its commit"
        if command is None:
            continue
        called = COMMAND.match(command.strip())
        if called is None:
            yield f"{where}: `{command.strip()}` is not one make target"
        elif called[1] not in targets:
            yield f"{where}: there is no target {called[1]}"


if __name__ == "__main__":
    sys.exit(main())
