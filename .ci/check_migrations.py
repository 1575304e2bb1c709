"""Fails when a migration takes away what the running version may still use: expand first, contract a release later.

While a release is rolled out, and after a rollback, the previous one works with the newer schema. So a migration may add.
It may remove, rename or tighten something only if it says so, and since when nothing has used it:

    CONTRACTS = {"telemetry.sample.old_column": "1.4.0"}

The name is of a table or a column, the version the first release whose code does without it: that has to be out, and its
sources in storage/ must not have the name. Views are replaced, not dropped. `downgrade` may do anything: it is for
development. What this cannot see in SQL, `make check-upgrade` runs into.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

from check_upgrade import RELEASES, ROOT

TAKES_AWAY = re.compile(
    r"\bdrop\s+(?:table|column|schema|view|materialized\s+view|type|function)\b|\brename\b|\bset\s+not\s+null\b"
    r"|\balter\s+(?:column\s+)?\w+\s+(?:set\s+data\s+)?type\b",
    re.IGNORECASE,
)
OPERATIONS = {"drop_table", "drop_column", "rename_table"}
TIGHTENS = {"type_", "new_column_name"}
MARK = "CONTRACTS"


def main() -> int:
    """Print what is wrong; returns the exit code."""
    out = releases()
    wrong = []
    for file in sorted(ROOT.glob("services/*/src/*/storage/migrations/versions/*.py")):
        wrong += [f"{file.relative_to(ROOT)}: {said}" for said in problems(file.read_text(encoding="utf-8"), out)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


def releases() -> list[str]:
    """Return the releases that are out, oldest first; a clone without tags has none."""
    tags = subprocess.run(
        ["git", "-C", str(ROOT), "tag", "--merged", "HEAD", "--sort=version:refname", "--list", RELEASES],
        capture_output=True,
        text=True,
        check=False,
    )
    return tags.stdout.split()


def problems(source: str, out: list[str]) -> Iterator[str]:
    """Look at one migration, given the releases that are out."""
    tree = ast.parse(source)
    contracts = marked(tree)
    taken = list(taken_away(tree))
    if taken and not contracts:
        yield f"takes away ({', '.join(taken)}) without {MARK} that say since when nothing uses it"
    if contracts and not taken:
        yield f"has {MARK} and takes nothing away"
    for name, version in contracts.items():
        if version not in out:
            yield f"{name}: the release {version} that does without it is not out (or this clone has no tags)"
        elif users := uses(name, version):
            yield f"{name}: {version} still has it in {users}"


def marked(tree: ast.Module) -> dict[str, str]:
    """Return name → version of what a migration says that it takes away."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == MARK for target in targets) and node.value is not None:
            return dict(ast.literal_eval(node.value))
    return {}


def taken_away(tree: ast.Module) -> Iterator[str]:
    """Give what a migration takes away: in its SQL, and by calls of `op`; what `downgrade` does is left out."""
    for top in tree.body:
        if isinstance(top, ast.FunctionDef) and top.name == "downgrade":
            continue
        for node in ast.walk(top):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from (
                    " ".join(hit.group().lower().split()) for hit in TAKES_AWAY.finditer(without_comments(node.value))
                )
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {keyword.arg for keyword in node.keywords}
                is_not_null = any(
                    keyword.arg == "nullable"
                    and isinstance(keyword.value, ast.Constant)
                    and keyword.value.value is False
                    for keyword in node.keywords
                )
                if node.func.attr in OPERATIONS:
                    yield f"op.{node.func.attr}"
                elif node.func.attr == "alter_column" and (given & TIGHTENS or is_not_null):
                    yield "op.alter_column"


def without_comments(text: str) -> str:
    """Return SQL without its comments and without the texts in it, which may say anything."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", text)


def uses(name: str, version: str) -> str:
    """Return the files of a release's storage/ that have the last part of a name; empty when there are none."""
    word = name.rpartition(".")[2]
    command = ["git", "-C", str(ROOT), "grep", "-lw", word, version, "--", "services/*/src/*/storage/*.py"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return ", ".join(file for file in found if "/migrations/" not in file)


if __name__ == "__main__":
    sys.exit(main())
