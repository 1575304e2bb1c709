"""Pytest plugin for the tests of an older release: where they migrate a service's schema, a newer release's migrations run.

Every fixture and every service migrates by `pulse_chassis.database.upgrade`, with the folder of its migrations: that is
the contract between releases that this stands on. Tests that say what a release's own migrations make are marked
`own_schema` and left out: so are those of an older release that are marked in the newer one.
"""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from pulse_chassis import database

OLDER = Path.cwd()
NEWER = Path(os.environ["PULSE_NEWER_TREE"])
PYTHON = os.environ["PULSE_NEWER_PYTHON"]
MARK = "own_schema"
MIGRATE = """
import asyncio, os, sys
from pulse_chassis.database import upgrade
asyncio.run(upgrade(os.environ["PULSE_DATABASE_URL"], sys.argv[1], sys.argv[2]))
"""
_own_upgrade = database.upgrade


async def upgrade(url: str | SecretStr, script_location: str | Path, version_schema: str) -> None:
    """Migrate a schema with the newer release's migrations; folders that are no service's are as they are."""
    folder = Path(script_location).resolve()
    if not folder.is_relative_to(OLDER):
        await _own_upgrade(url, script_location, version_schema)
        return
    newer = NEWER / folder.relative_to(OLDER)
    if not newer.is_dir():
        message = f"the newer release has no {newer.relative_to(NEWER)}"
        raise FileNotFoundError(message)
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-c", MIGRATE, str(newer), version_schema,
        env={**inherited, "PULSE_DATABASE_URL": plain},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(said.decode())


database.upgrade = upgrade


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark, which an older release may not know."""
    config.addinivalue_line("markers", f"{MARK}: says what this release's own migrations make")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about a release's own migrations."""
    own = {name for file in NEWER.glob("services/*/tests/**/test_*.py") for name in marked(file)}
    left_out = [item for item in items if item.get_closest_marker(MARK) or _place(item) in own]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def marked(file: Path) -> Iterator[tuple[str, str]]:
    """Give the place of each test of a file that is marked, or of all where the file is."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    is_file = any(isinstance(node, ast.Assign) and MARK in ast.unparse(node) for node in tree.body)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            is_file or any(MARK in ast.unparse(decorator) for decorator in node.decorator_list)
        ):
            yield str(file.relative_to(NEWER)), node.name


def _place(item: pytest.Item) -> tuple[str, str]:
    return str(item.path.relative_to(OLDER)), getattr(item, "originalname", item.name)
