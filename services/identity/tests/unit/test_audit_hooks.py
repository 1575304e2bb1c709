"""Whoever changes something tells the audit log: a use case that announces a change and tells nothing fails here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pulse_identity.use_cases

USE_CASES = sorted(Path(pulse_identity.use_cases.__file__).parent.glob("*.py"))
CHANGES = {"publish", "add_user", "save_user", "delete_user", "rehash_password", "replace_key", "add_code", "revoke"}
HOUSEKEEPING = {"sign_in.py": "rehash_password", "tell_audit.py": "publish"}
"""The same password hashed anew is no change; and the teller itself."""


def calls(path: Path) -> set[str]:
    """The names of all functions and methods that a module calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            target = node.func
            found.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return found


def test_the_walk_sees_the_use_cases():
    changing = [path.name for path in USE_CASES if calls(path) & CHANGES]
    assert {"create_user.py", "edit_roles.py", "delete_device.py", "sign_out.py"} <= set(changing)


@pytest.mark.parametrize("path", USE_CASES, ids=lambda path: path.stem)
def test_a_change_is_told(path):
    made = calls(path)
    changing = (made & CHANGES) - {HOUSEKEEPING.get(path.name)}
    assert not changing or "tell_audit" in made, f"{path.name} calls {sorted(changing)} and tells the audit log nothing"
