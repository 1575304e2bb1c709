"""The report of a soak says what grew, draws every curve, and needs nothing from elsewhere."""

import json
from pathlib import Path

import pytest

from pulse_chaos.invariants import Evidence, Finding, Invariant
from pulse_chaos.outcome import Result
from pulse_chaos.soak_report import summary_lines, write_soak
from pulse_chaos.soak_run import Counted, Soaked, SoakPlan
from pulse_chaos.timeline import Event, Sample, Timeline
from pulse_chaos.trends import Curve, Kind, Point, judge_curve


def soaked(*, leak: float, missing: int = 0) -> Soaked:
    curves = [
        Curve("ingest: memory", Kind.MEMORY, "MiB", [Point(at, 80 + leak * at, at // 700) for at in range(0, 1800, 5)]),
        Curve("load: stored by agents", Kind.LOAD, "readings", [Point(at, at * 500.0) for at in range(0, 1800, 5)]),
    ]
    timeline = Timeline(
        [Sample(1.0, 5, 4, 12.0, 5), Sample(2.0, 10, 10, None, 5)], [Event(5.0, "kill ingest <1>", 2.0, is_fault=True)]
    )
    findings = [Finding(Invariant.COMPLETE, True, "all")]
    short = (f"{900 - missing} readings are stored of 900",) if missing else ()
    return Soaked(
        SoakPlan(1800, 1),
        4000.0,
        2000.0,
        Result(Evidence(), findings, timeline, 1850.0),
        Counted(900, 900, 0, 0, 0, short, 0, 0, 4500 - 5 * missing),
        [judge_curve(curve, 120) for curve in curves],
    )


def test_a_report_has_every_curve_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    good = soaked(leak=0.0)
    assert good.is_good
    write_soak(tmp_path, good, "abc")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["is_good"]
    assert [curve["name"] for curve in report["curves"]] == ["ingest: memory", "load: stored by agents"]
    assert len(report["curves"][0]["points"]) == 360
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4 + 3
    assert "Nothing lost, nothing grows" in page
    assert "http" not in page
    assert "<1>" not in page


@pytest.mark.parametrize("kind", ["leak", "loss"])
def test_what_is_wrong_is_named(tmp_path: Path, kind) -> None:
    bad = soaked(leak=0.02) if kind == "leak" else soaked(leak=0.0, missing=3)
    assert not bad.is_good
    write_soak(tmp_path, bad, "abc")
    told = "\n".join(summary_lines(bad))
    assert ("GROWS ingest: memory" in told) == (kind == "leak")
    assert ("897 readings are stored of 900" in told) == (kind == "loss")
    assert "Something is wrong" in (tmp_path / "report.html").read_text()
