"""The house rules that no off-the-shelf linter knows, read from the syntax tree of every tracked Python file."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(p for p in ROOT.glob("*/**/src/pulse_*") if p.is_dir() and not {".venv", "dist"} & {*p.parts})
SOURCES = sorted(f for p in PACKAGES for f in p.rglob("*.py"))
SERVICES = sorted(p for p in ROOT.glob("services/*/src/pulse_*") if p.is_dir())
ROOMS = {"domain", "use_cases", "http", "messaging", "storage"}
FACES = {"app.py", "settings.py", "__main__.py", "__init__.py", "py.typed"}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_the_walk_sees_the_house() -> None:
    names = {p.name for p in PACKAGES}
    assert {
        "pulse_contracts",
        "pulse_chassis",
        "pulse_ingest",
        "pulse_identity",
        "pulse_gateway",
        "pulse_agent",
    } <= names
    assert len(SOURCES) > 50


@pytest.mark.parametrize("service", SERVICES, ids=lambda p: p.name)
def test_a_service_has_only_the_rooms_that_every_service_has(service: Path) -> None:
    entries = {e.name for e in service.iterdir() if e.name != "__pycache__"}
    assert entries <= ROOMS | FACES


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [relative(f) for f in SOURCES if f.stem in SAYS_NOTHING or f.parent.name in SAYS_NOTHING] == []


def test_every_module_says_what_lives_in_it() -> None:
    silent = [
        relative(f) for f in SOURCES if ast.get_docstring(tree(f)) is None and f.read_text(encoding="utf-8").strip()
    ]
    assert silent == []


def test_only_contracts_spell_a_topic_or_a_stream() -> None:
    spelling = re.compile(
        r"^(telemetry|ack|heartbeat|command|sync|alert|devices|app/device)/[{+]|^pulse:(telemetry|devices|access|audit)$"
    )
    found = []
    for file in SOURCES:
        if "pulse_contracts" in file.parts:
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(v.value) if isinstance(v, ast.Constant) else "{" for v in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if spelling.search(text):
                found.append(f"{relative(file)}:{node.lineno} {text!r}")
    assert found == []


def test_a_broad_except_stands_only_where_it_is_named() -> None:
    """Ruff's BLE001 refuses a blind except; where one is right, the line says so and why."""
    unnamed = []
    for file in SOURCES:
        lines = file.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree(file)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            is_broad = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
            reraises = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(node))
            if is_broad and not reraises and not re.search(r"# noqa: BLE001 (--|#) \w+", lines[node.lineno - 1]):
                unnamed.append(f"{relative(file)}:{node.lineno}")
    assert unnamed == []


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    bad = re.compile(
        r"files\.pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|deb\.debian\.org|/root/|/home/\w+/|/work/"
    )
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [ROOT / name for name in listed.split("\0") if name]
    assert len(tracked) > 100
    found = [
        relative(f)
        for f in tracked
        if f.is_file() and f != Path(__file__) and bad.search(f.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []


def test_no_route_and_no_dependency_runs_in_a_thread() -> None:
    """FastAPI gives each that is not `async` to a pool of 40 threads, where a crowd queues and requests wait for it."""
    found = []
    for file in SOURCES:
        nodes = list(ast.walk(tree(file)))
        asked = [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "Depends"]
        # Without a name it calls a class, and that in a thread as well.
        found += [f"{relative(file)}:{call.lineno}" for call in asked if not call.args]
        named = {ast.unparse(call.args[0]) for call in asked if call.args}
        plain = [n for n in nodes if isinstance(n, ast.FunctionDef) and (n.name in named or _is_route(n))]
        found += [f"{relative(file)}:{function.lineno} {function.name}" for function in plain]
    assert found == []


def _is_route(function: ast.FunctionDef) -> bool:
    calls = [d.func for d in function.decorator_list if isinstance(d, ast.Call)]
    methods = {"get", "post", "put", "patch", "delete", "head", "options", "websocket"}
    return any(isinstance(call, ast.Attribute) and call.attr in methods for call in calls)
