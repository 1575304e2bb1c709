"""The table of a page is made of reports alone."""

from pulse_chaos.tabulate import tabulate


def run(scenario: str, seed: int, *, why_not: str | None = None, missing: int = 0) -> dict[str, object]:
    evidence = {"accepted": 1000, "missing": ["x"] * missing, "duplicates": [], "drain_seconds": seed / 2}
    done = {} if why_not else {"evidence": evidence}
    is_good = not missing and not why_not
    return {"scenario": scenario, "seed": seed, "why_not_done": why_not, "is_good": is_good, **done}


def test_a_line_sums_up_a_scenario_over_reports_and_what_was_not_done_is_said() -> None:
    first = {"revision": "a", "runs": [run("kill-ingest", 1), run("kill-ingest", 2), run("mixed", 1, missing=3)]}
    second = {"revision": "b", "runs": [run("kill-ingest", 7), run("mixed", 2, why_not="interrupted")]}
    table = tabulate([first, second]).splitlines()
    assert table[0] == "4 runs by 2 revisions of the code, 3 of them as they should; 1 more came to no verdict."
    assert table[4:] == [
        "| kill-ingest | 3 | 1–2, 7 | 3,000 | 0 | 0 | 3.5 | 3 of 3 |",
        "| mixed | 1 | 1 | 1,000 | 3 | 0 | 0.5 | 0 of 1 |",
    ]
