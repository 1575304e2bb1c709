"""The table of bench/README.md, made of the committed results between two marks, so that it cannot say anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pulse_bench.errors import BenchError
from pulse_bench.results import RESULTS, Results, committed_results
from pulse_bench.rows import SECTIONS, Row

README: Final = RESULTS.parent / "README.md"
BEGIN: Final = "<!-- table: made by `pulse bench table` from results/; do not edit -->"
END: Final = "<!-- end of table -->"


def render_table(results: Results) -> str:
    """Return the table in Markdown, each section with the file that it is from."""
    lines = ["| what | read | target | met | from |", "|---|---|---|---|---|"]
    for name, make in SECTIONS.items():
        if name in results.figures:
            file = results.files[name]
            lines += [_line(row, f"[{Path(file).stem}](results/{file})") for row in make(results.figures[name])]
    return "\n".join(lines)


def write_table(readme: Path = README, results: Path = RESULTS) -> None:
    """Write the table between the marks. Raises BenchError."""
    readme.write_text(_with_table(readme, results), encoding="utf-8")


def is_stale(readme: Path = README, results: Path = RESULTS) -> bool:
    """Say whether the table is not what the results say. Raises BenchError."""
    return readme.read_text(encoding="utf-8") != _with_table(readme, results)


def _with_table(readme: Path, results: Path) -> str:
    found = committed_results(results)
    if found is None or not readme.is_file():
        raise BenchError(f"there are no results beside {readme}: run this in a clone")
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{readme} has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{render_table(found)}\n\n{END}{after}"


def _line(row: Row, source: str) -> str:
    met = {True: "yes", False: "**no**", None: "–"}[row.is_met]
    return f"| {row.what} | {row.read} | {row.wanted} | {met} | {source} |"
