"""Which metrics the code makes, and which ones a PromQL expression asks for: so that neither rule nor panel asks in vain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKERS = re.compile(r"\b(Counters?|Gauges?|Histogram|latency_histogram|\w+MetricFamily|watch)\(")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "on", "ignoring", "group_left", "group_right", "by", "without"}
PROMETHEUS_OWN = {"up", "ALERTS"}


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression asks for, as it spells them."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^}]*\}|\[[^\]]*\]", " ", bare)
    words = re.findall(r"(?<![\w:$.])([A-Za-z_:][\w:]*)\b(?!\s*\()", bare)
    return set(words) - KEYWORDS


def family_of(name: str) -> str:
    """Return the name under which the code makes it: without what the client library puts behind it."""
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


def made_by_the_code() -> set[str]:
    """Return the names of metrics that the code makes: Counter("…"), watch("…"), and Counters(…, "prefix", {…}).

    Read from the source, so it gives other texts as well: a name that is nowhere in the code is what it is to find. That
    the services really export them, the test with a running stack sees.
    """
    found: set[str] = {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds", "process_max_fds"}
    found.add("process_start_time_seconds")
    for file in [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/chassis/src/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        if MAKERS.search(text):
            found.update(_names_made(ast.parse(text)))
    return found


def _names_made(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            texts = list(_texts(node.args))
            keys = [key for one in node.args if isinstance(one, ast.Dict) for key in _texts(one.keys)]
            yield from texts
            yield from (f"{prefix}_{key}" for prefix in texts for key in keys)
        elif isinstance(node, ast.Tuple):
            yield from _texts(node.elts[:1])


def _texts(nodes: Sequence[ast.expr | None]) -> Iterator[str]:
    return (one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str))
