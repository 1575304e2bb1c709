"""The table is made of figures alone: what is met, what became better or worse, and whether the README still says it."""

import asyncio
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pulse_bench import readme
from pulse_bench.command import app
from pulse_bench.errors import BenchError
from pulse_bench.hardware import read_hardware
from pulse_bench.report import write_report
from pulse_bench.results import RESULTS, Results, committed_results, read_results, write_results
from pulse_bench.rows import SECTIONS as ROWS
from pulse_bench.rows import Row, Trend, rows_of, trends
from pulse_bench.sections import SECTIONS, Section
from pulse_bench.whole_run import Progress, Taken, measure_all

DRAIN = {"agents": 100, "readings": 2_000_000, "queue_messages": 200_000}


def drained(*per_s: float) -> dict[str, object]:
    return {"drain": [{**DRAIN, "readings_per_s": value, "queue_per_s": 90_000.0} for value in per_s]}


def test_every_section_has_rows_and_every_row_a_section() -> None:
    assert [section.name for section in SECTIONS] == list(ROWS)


def test_a_target_is_held_against_the_median() -> None:
    (row,) = rows_of(drained(80_000, 130_000, 110_000))

    assert (row.median, row.is_met) == (110_000, True)
    assert row.read == "110,000 readings/s (80,000 to 130,000); a broker's queue, by a C subscriber: 90,000 messages/s"
    assert row.wanted == "≥ 100,000 readings/s"


def test_a_figure_is_better_or_worse_only_beyond_the_spread_of_both() -> None:
    def stand(*now: float) -> Trend:
        ((_, trend),) = trends(rows_of(drained(*now)), drained(90_000, 110_000)).values()
        return trend

    assert stand(112_000, 120_000) is Trend.BETTER
    assert stand(70_000, 80_000) is Trend.WORSE
    assert stand(80_000, 95_000) is Trend.SAME


def test_less_is_better_where_the_target_is_a_ceiling_and_one_reading_is_uncertain() -> None:
    def row(value: float) -> Row:
        return Row("key", "what", (value,), 100, "ms")

    assert row(50).trend(row(100)) is Trend.BETTER
    assert row(100).trend(row(50)) is Trend.WORSE
    assert row(95).trend(row(100)) is Trend.SAME
    assert (row(50).share, row(200).share) == (2, 0.5)


def test_each_committed_file_has_rows_and_the_newest_of_each_section_counts(tmp_path: Path) -> None:
    for file in RESULTS.glob("*.json"):
        assert rows_of(read_results(file).figures), file.name

    hardware = read_hardware()
    write_results(tmp_path / "2026-01-01.json", hardware, drained(1.0) | {"outbox": []}, {})
    write_results(tmp_path / "2026-01-02-drain.json", hardware, drained(2.0), {"storm": "no stack"})

    found = committed_results(tmp_path)
    assert found is not None
    assert found.files == {"drain": "2026-01-02-drain.json", "outbox": "2026-01-01.json"}
    assert found.figures["drain"][0]["readings_per_s"] == 2.0


def test_a_file_that_is_no_results_says_so(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01.json").write_text("[]", encoding="utf-8")

    with pytest.raises(BenchError, match=r"2026-01-01.json is no file of results"):
        committed_results(tmp_path)


def test_the_table_of_the_readme_is_what_the_results_say() -> None:
    assert not readme.is_stale(), "run `pulse bench table`"


def test_a_stale_table_is_found_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", encoding="utf-8")
    write_results(tmp_path / "2026-01-01.json", read_hardware(), drained(50_000), {})

    assert readme.is_stale(page, tmp_path)
    readme.write_table(page, tmp_path)

    assert not readme.is_stale(page, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "| **no** | [2026-01-01](results/2026-01-01.json) |" in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_the_check_of_the_table_passes_in_this_clone() -> None:
    result = CliRunner().invoke(app, ["table", "--check"])

    assert result.exit_code == 0, result.output


async def _outbox(say: object, *, size: int) -> list[dict[str, float]]:
    del say
    return [{"grouped_per_s": 1000.0 * size, "single_per_s": 900.0, "bare_per_s": 2000.0}]


async def _broken(say: object, **_: object) -> None:
    del say
    raise BenchError("no stack")


def test_one_section_that_cannot_be_read_does_not_keep_the_others_from_it() -> None:
    sections = [Section("storm", _broken, {}, {}, 1), Section("outbox", _outbox, {"size": 30}, {"size": 2}, 1)]
    console = Console(record=True, width=100)

    taken = asyncio.run(measure_all(sections, is_quick=True, progress=Progress(console)))

    assert taken.not_read == {"storm": "no stack"}
    assert taken.figures["outbox"][0]["grouped_per_s"] == 2000
    assert "2 of 2: outbox, about" in console.export_text()


def test_the_report_has_the_table_the_plots_and_what_was_not_read(tmp_path: Path) -> None:
    growth = {
        "devices": [{"devices": n, "total_us": 90.0 + n / 100} for n in (10, 100, 1000)],
        "table": [{"table_rows": n, "total_us": 90.0} for n in (0, 1_000_000)],
    }
    taken = Taken(drained(90_000, 120_000, 110_000) | {"growth": growth}, {"storm": "no <stack>"})
    before = Results(drained(10_000))

    page = write_report(tmp_path, read_hardware(), taken, before, is_quick=True).read_text(encoding="utf-8")

    assert "3 of 3 targets met" in page
    assert "no &lt;stack&gt;" in page
    assert "10,000, better" in page
    assert page.count("<svg") == 3


def test_an_unknown_section_is_named_with_those_there_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["all", "--only", "nonsense", "--json", str(tmp_path / "all.json")])

    assert result.exit_code == 1
    assert "there is no section 'nonsense'" in result.output
    assert not (tmp_path / "all.json").exists()


def test_all_writes_what_was_read_and_its_report(tmp_path: Path) -> None:
    file = tmp_path / "all.json"

    result = CliRunner().invoke(
        app, ["all", "--quick", "--only", "outbox", "--json", str(file), "--report", str(tmp_path)]
    )

    assert result.exit_code == 0, result.output
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["outbox"][0]["grouped_per_s"] > 0
    assert written["hardware"]["cores"] >= 1
    assert (tmp_path / "report.html").is_file()
