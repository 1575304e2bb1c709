"""Reports as one table for a page: `python -m pulse_chaos.tabulate DIR [DIR …]`, in Markdown on standard output.

Runs that came to no verdict are counted apart, and a run that several reports have counts in each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pulse_chaos.report import FILE
from pulse_chaos.scenarios import SCENARIOS

Run = dict[str, Any]


def tabulate(reports: Sequence[dict[str, Any]]) -> str:
    """Return the table, a line a scenario, under a sentence that says what it is made of."""
    runs = [run for report in reports for run in report["runs"]]
    done = [run for run in runs if run["why_not_done"] is None]
    revisions = {report["revision"] for report in reports}
    head = (
        f"{len(done)} runs by {len(revisions)} revisions of the code, {sum(run['is_good'] for run in done)} of them as they"
        f" should; {len(runs) - len(done)} more came to no verdict."
    )
    lines = [
        head,
        "",
        "| scenario | runs | seeds | values accepted | missing | twice | slowest drain in s | as it should |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in SCENARIOS:
        of_it = [run for run in done if run["scenario"] == name]
        if of_it:
            lines.append(_line(name, of_it))
    return "\n".join(lines) + "\n"


def _line(name: str, runs: Sequence[Run]) -> str:
    evidence = [run["evidence"] for run in runs]
    drains = [e["drain_seconds"] for e in evidence if e["drain_seconds"] is not None]
    cells = (
        name,
        str(len(runs)),
        _ranges({run["seed"] for run in runs}),
        f"{sum(e['accepted'] for e in evidence):,}",
        str(sum(len(e["missing"]) for e in evidence)),
        str(sum(len(e["duplicates"]) for e in evidence)),
        f"{max(drains):.1f}" if drains else "–",
        f"{sum(run['is_good'] for run in runs)} of {len(runs)}",
    )
    return f"| {' | '.join(cells)} |"


def _ranges(seeds: set[int]) -> str:
    """Write 1, 2, 3, 7 as `1–3, 7`."""
    pieces: list[list[int]] = []
    for seed in sorted(seeds):
        if pieces and seed == pieces[-1][-1] + 1:
            pieces[-1].append(seed)
        else:
            pieces.append([seed])
    return ", ".join(f"{piece[0]}–{piece[-1]}" if len(piece) > 1 else str(piece[0]) for piece in pieces)


def main(folders: Sequence[str]) -> None:
    """Print the table of these reports."""
    reports = [json.loads((Path(folder) / FILE).read_text(encoding="utf-8")) for folder in folders]
    sys.stdout.write(tabulate(reports))


if __name__ == "__main__":
    main(sys.argv[1:])
