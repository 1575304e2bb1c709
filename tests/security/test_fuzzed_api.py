"""Every service's OpenAPI document, fuzzed by schemathesis as nobody, viewer, operator and admin, with a seed.

No 5xx, no answer that the document does not declare, no ignored auth; and each phase is seen to have done work: the
document's own examples are sent, and links are followed from what was made to its change and its end. All of it
together stays about three minutes (`schemathesis.toml` says how much each phase does).
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SEED = 20261121
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "use_after_free",
)
COVERAGE_SECONDS = 5
# Coverage of a large document has a run of its own: it alone is as long as the document.
LARGE = (("examples", "fuzzing", "stateful"), ("coverage",))
# Nothing that ingest makes itself has an id that another call could follow.
SMALL = (("examples", "coverage", "fuzzing"),)
RUNS = {"identity": LARGE, "gateway": LARGE, "ingest": SMALL, "sync": SMALL, "commands": SMALL, "alerts": SMALL}
# What ends sessions, or fills every bucket, would make the rest of the run one of refusals: it has a run of its own.
ENDING = r"^/api/(auth|profile|enrol|devices/enroll)"
HERE = Path(__file__).parent


@dataclass
class Fuzzed:
    """What a run did: cases by phase, those that were answered with 2xx, and links that were followed."""

    cases: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    links: int = 0


@dataclass(frozen=True)
class Target:
    """What is fuzzed: where, as whom, and what of it."""

    url: str
    headers: dict[str, str]
    filters: tuple[str, ...]
    spared: tuple[str, ...] = ()


def fuzz(target: Target, runs: tuple[tuple[str, ...], ...], data: Path) -> Fuzzed:
    """Run the phases, and see that each has done something."""
    fuzzed = Fuzzed()
    for phases in runs:
        bound = ("--max-time", str(COVERAGE_SECONDS)) if phases == ("coverage",) else ()
        run(target, fuzzed, data, "--phases", ",".join(phases), *bound)
    for phase in (phase for phases in runs for phase in phases):
        assert fuzzed.cases[phase] > 0, (phase, fuzzed)
    return fuzzed


def run(target: Target, fuzzed: Fuzzed, data: Path, *options: str) -> None:
    given = [part for name, value in target.headers.items() for part in ("-H", f"{name}: {value}")]
    report = data / "events.ndjson"
    environment = {name: value for name, value in os.environ.items() if name not in {"HTTP_PROXY", "http_proxy"}}
    environment |= {"SCHEMATHESIS_HOOKS": str(HERE / "fuzz_hooks.py"), "FUZZ_SPARED_USERS": ",".join(target.spared)}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{target.url}/api/openapi.json", "--checks", ",".join(CHECKS), *options),
            *("--seed", str(SEED), "--no-shrink", "--workers", "1", "--request-timeout", "60"),
            *("--max-failures", "10", "--continue-on-failure", "--suppress-health-check", "all"),
            *("--warnings", "off", "--generation-database", "none", "--no-color"),
            *("--report", "ndjson", "--report-ndjson-path", str(report)),
            *target.filters,
            *given,
        ],
        cwd=data,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    read_report(report, done.stdout, fuzzed)


def read_report(report: Path, said: str, fuzzed: Fuzzed) -> None:
    for line in report.read_text().splitlines():
        finished = json.loads(line).get("ScenarioFinished")
        if finished is not None:
            interactions = finished["recorder"].get("interactions", {}).values()
            phase = str(finished["phase"]).lower()
            fuzzed.cases[phase] += len(interactions)
            fuzzed.accepted[phase] += sum(
                (made.get("response") or {}).get("status_code", 0) // 100 == 2 for made in interactions
            )
    covered = re.search(r"API Links:\s+(\d+) covered", said)
    fuzzed.links += int(covered[1]) if covered else 0


@pytest.mark.slow
@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator", "admin"])
@pytest.mark.parametrize("service", RUNS)
def test_fuzzing_finds_no_crash_no_undeclared_answer_and_no_ignored_auth(
    guarded, tmp_path: Path, service: str, role: str
) -> None:
    guarded.renew_tokens()
    headers = guarded.headers(role)
    target = Target(guarded.url(service), headers, ("--exclude-path-regex", ENDING), guarded.user_ids())
    fuzzed = fuzz(target, RUNS[service], tmp_path)
    if service in {"identity", "gateway"} and role in {"operator", "admin"}:
        assert fuzzed.accepted["examples"] > 0, fuzzed
        assert fuzzed.accepted["stateful"] > 0, fuzzed
    if service == "identity" and role in {"operator", "admin"}:
        # A dashboard that is made up at random is seldom one: what could be followed is not always there.
        assert fuzzed.links > 0, fuzzed


@pytest.mark.slow
def test_fuzzing_sign_in_sessions_and_enrolment_finds_nothing_either(guarded, tmp_path: Path) -> None:
    guarded.renew_tokens()
    target = Target(guarded.url("identity"), guarded.headers("operator"), ("--include-path-regex", ENDING))
    try:
        fuzz(target, LARGE, tmp_path)
    finally:
        guarded.renew_tokens()
