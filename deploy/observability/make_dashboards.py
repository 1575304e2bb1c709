"""Write Grafana's files into the chart, from where compose.yaml takes them too; `--check` only compares.

With `--rules FILE` it writes a file of recording rules instead, one for each query with its variables filled in, so that
promtool can parse them all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from reading_boards import DELIVERY, FLEET, GATEWAY, INGEST
from service_boards import ALERTS, COMMANDS, SLOS, SYNC

ROOT = Path(__file__).resolve().parents[2]
BOARDS = [FLEET, DELIVERY, INGEST, GATEWAY, SYNC, COMMANDS, ALERTS, SLOS]
FILES = ROOT / "deploy/k8s/precisionpulse/files/dashboards"
CHOSEN = {"$__rate_interval": "5m", "$__range": "30d", "$namespace": ".*", "$job": ".*"}


def rules() -> str:
    """Return every query as a recording rule."""
    queries = sorted({query for board in BOARDS for query in board.queries()})
    for variable, value in CHOSEN.items():
        queries = [query.replace(variable, value) for query in queries]
    made = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(queries)]
    return yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}, width=1000)


def main(arguments: list[str]) -> int:
    """Write or compare; returns the exit code."""
    if arguments[:1] == ["--rules"]:
        Path(arguments[1]).write_text(rules(), encoding="utf-8")
        return 0
    wanted = {f"{board.name}.json": board.text() for board in BOARDS}
    there = {file.name: file.read_text(encoding="utf-8") for file in FILES.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if arguments == ["--check"]:
        for name in stale:
            print(f"{FILES / name} is not what deploy/observability says: run make generate")
        return 1 if stale else 0
    FILES.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (FILES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FILES / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
