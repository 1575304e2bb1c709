"""Every service's OpenAPI document, fuzzed by schemathesis as nobody, viewer, operator and admin, with a seed.

All phases (examples, coverage, fuzzing, stateful); no 5xx, no answer that the document does not declare, no ignored
auth. The time is bounded for each run, so that all of it stays below three minutes.
"""

import os
import subprocess
import sys
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
SECONDS = {"identity": 12, "gateway": 4, "ingest": 3}
# What ends sessions, or fills every bucket, would make the rest of the run one of refusals: it has a run of its own.
ENDING = r"^/api/(auth|profile|enrol|devices/enroll)"


def fuzz(url: str, seconds: int, headers: dict[str, str], data: Path, *filters: str) -> None:
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful"),
            *("--seed", str(SEED), "--max-time", str(seconds), "--max-examples", "15", "--no-shrink"),
            *("--workers", "1", "--request-timeout", "10", "--max-failures", "10", "--continue-on-failure"),
            *("--suppress-health-check", "all", "--warnings", "off", "--generation-database", "none", "--no-color"),
            *filters,
            *given,
        ],
        cwd=data,
        env={name: value for name, value in os.environ.items() if name not in {"HTTP_PROXY", "http_proxy"}},
        capture_output=True,
        text=True,
        timeout=seconds * 3 + 30,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    assert "Tested:" in done.stdout, done.stdout[-2_000:]


@pytest.mark.slow
@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator", "admin"])
@pytest.mark.parametrize("service", SECONDS)
def test_fuzzing_finds_no_crash_no_undeclared_answer_and_no_ignored_auth(
    guarded, tmp_path: Path, service: str, role: str
) -> None:
    guarded.renew_tokens()
    fuzz(guarded.url(service), SECONDS[service], guarded.headers(role), tmp_path, "--exclude-path-regex", ENDING)


@pytest.mark.slow
def test_fuzzing_sign_in_sessions_and_enrolment_finds_nothing_either(guarded, tmp_path: Path) -> None:
    guarded.renew_tokens()
    try:
        fuzz(guarded.url("identity"), 10, guarded.headers("operator"), tmp_path, "--include-path-regex", ENDING)
    finally:
        guarded.renew_tokens()
