"""What was measured: figures as they are written to a file, and what of the committed ones is the newest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pulse_bench.errors import BenchError
from pulse_bench.hardware import Hardware

RESULTS: Final = Path(__file__).resolve().parents[2] / "results"
"""Where a clone keeps what was committed; absent where the package was installed without its sources."""
_NO_FIGURES: Final = frozenset({"hardware", "made", "not_read"})


@dataclass(frozen=True, slots=True)
class Results:
    """Figures by the name of their section; `files` says in which file each was found, `not_read` why one is missing."""

    figures: Mapping[str, Any]
    hardware: Mapping[str, Any] = field(default_factory=dict)
    not_read: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def write_results(path: Path, hardware: Hardware, figures: Mapping[str, Any], not_read: Mapping[str, str]) -> None:
    """Write figures with the machine that they were read on."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"hardware": hardware.as_dict(), "made": made, **figures}
    if not_read:
        content["not_read"] = dict(not_read)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read one file. Raises BenchError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = {name: value for name, value in content.items() if name not in _NO_FIGURES}
        return Results(figures, content["hardware"], content.get("not_read", {}), dict.fromkeys(figures, path.name))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise BenchError(f"{path} is no file of results: {error}") from error


def committed_results(folder: Path = RESULTS) -> Results | None:
    """Return the newest figures of each section, by the names of the files (they begin with a date); None without any.

    Raises:
        BenchError: a file cannot be read.
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        return None
    figures: dict[str, Any] = {}
    found: dict[str, str] = {}
    hardware: Mapping[str, Any] = {}
    for file in files:
        read = read_results(file)
        figures |= read.figures
        found |= read.files
        hardware = read.hardware
    return Results(figures, hardware, {}, found)
