"""Write every service's OpenAPI document to clients/dashboard/openapi; `--check` only compares.

A service is whatever `services/` holds: one that is added is exported from the next run on.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
TARGET: Final = ROOT / "clients/dashboard/openapi"


def services() -> list[str]:
    """Return the names of all services, in order."""
    return sorted(found.parent.name for found in (ROOT / "services").glob("*/pyproject.toml"))


def exported(service: str) -> str:
    """Return the service's document as it is committed."""
    argv = [sys.executable, "-m", f"pulse_{service}", "openapi"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 -- our own services
    return done.stdout


def main() -> int:
    """Write or compare; returns the exit code."""
    names = services()
    with ThreadPoolExecutor(2) as pool:
        documents = dict(zip(names, pool.map(exported, names), strict=True))
    if "--check" not in sys.argv:
        TARGET.mkdir(exist_ok=True)
        for name, text in documents.items():
            (TARGET / f"{name}.json").write_text(text, encoding="utf-8")
        return 0
    stale = [
        name
        for name, text in documents.items()
        if not (TARGET / f"{name}.json").is_file() or (TARGET / f"{name}.json").read_text(encoding="utf-8") != text
    ]
    if stale:
        print(f"clients/dashboard/openapi is stale for {', '.join(stale)}: run `make generate`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
