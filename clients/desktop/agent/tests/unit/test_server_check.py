"""What a person is told about a server before they enrol with it: what is wrong, and what to do."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pulse_agent.local_protocol.server_check import check_server
from pulse_contracts.local_enrolment import Step, StepReport, StepState
from pulse_local.certificates import ensure_certificates

Serve = Callable[..., int]
OURS = {"openapi": "3.1.0", "info": {"title": "PrecisionPulse gateway", "version": "1.2.3"}, "paths": {}}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    return ensure_certificates(tmp_path / "tls", None).authority


@pytest.fixture
def serve(tmp_path: Path, authority: Path) -> Iterator[Serve]:
    """Starts a server that answers `document`, with a clock that is `hours` ahead; returns its port."""
    with ExitStack() as stack:

        def start(document: object = OURS, *, tls: bool = True, status: int = 200, hours: int = 0) -> int:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response_only(status)
                    moment = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
                    self.send_header("Date", format_datetime(moment, usegmt=True))
                    self.end_headers()
                    self.wfile.write(json.dumps(document).encode() + b" " * 400_000)

                def log_message(self, *arguments: object) -> None:
                    """Say nothing."""

            class Server(ThreadingHTTPServer):
                def handle_error(self, *_: object) -> None:
                    """A client that does not trust us leaves."""

            server = Server(("127.0.0.1", 0), Handler)
            if tls:
                files = ensure_certificates(tmp_path / "tls", None)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(files.certificate, files.key)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield start


def look(url: str, ca_file: Path | None = None) -> dict[Step, StepReport]:
    told: list[StepReport] = []
    reports = check_server(url, ca_file, told.append)
    assert [report for report in told if report.state is not StepState.RUNNING] == reports
    assert [report.step for report in reports] == [Step.ADDRESS, Step.TLS, Step.SERVER, Step.CLOCK]
    for report in reports:
        assert (report.state is StepState.FAILED) <= bool(report.code and report.message and report.advice)
    return {report.step: report for report in reports}


def failure(reports: dict[Step, StepReport]) -> tuple[Step, str]:
    """Return the step that failed and its code; all after it were skipped."""
    states = [report.state for report in reports.values()]
    at = states.index(StepState.FAILED)
    assert set(states[at + 1 :]) <= {StepState.SKIPPED}
    failed = list(reports.values())[at]
    return failed.step, failed.code


def test_a_good_server_passes_with_its_authority(serve: Serve, authority: Path) -> None:
    reports = look(f"https://localhost:{serve()}", authority)
    assert {report.state for report in reports.values()} == {StepState.OK}
    assert reports[Step.SERVER].facts == {"name": "PrecisionPulse gateway", "version": "1.2.3"}
    assert reports[Step.TLS].facts["until"]


def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Serve) -> None:
    assert failure(look(f"https://localhost:{serve()}")) == (Step.TLS, "certificate_untrusted")


def test_a_certificate_of_another_name_is_refused(serve: Serve, authority: Path) -> None:
    assert failure(look(f"https://127.1:{serve()}", authority)) == (Step.TLS, "certificate_of_another_host")


def test_a_file_that_is_no_authority_is_said_to_be_none(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    assert failure(look(f"https://localhost:{serve()}", tmp_path / "ca.pem")) == (Step.TLS, "authority_unreadable")


def test_a_port_without_encryption_is_no_secure_one(serve: Serve) -> None:
    assert failure(look(f"https://127.0.0.1:{serve(tls=False)}")) == (Step.TLS, "no_tls")


def test_another_program_is_not_taken_for_the_server(serve: Serve) -> None:
    for document in ({"hello": 1}, {"info": {"title": "Grafana", "version": "11"}}, {"info": 7}, "PrecisionPulse"):
        assert failure(look(f"http://127.0.0.1:{serve(document, tls=False)}")) == (Step.SERVER, "another_server")
    broken = serve({}, tls=False, status=http.client.BAD_GATEWAY)
    assert failure(look(f"http://127.0.0.1:{broken}")) == (Step.SERVER, "server_failed")


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_wrong_is_a_warning_with_its_offset(serve: Serve, hours: int) -> None:
    reports = look(f"http://127.0.0.1:{serve(tls=False, hours=hours)}")
    clock = reports[Step.CLOCK]
    assert (clock.state, clock.code) == (StepState.WARNING, "clock_differs")
    assert abs(clock.facts["offset_ms"] / 3_600_000 - hours) < 0.1
    assert reports[Step.TLS].code == "not_encrypted"


def test_an_address_that_leads_nowhere_says_why() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert failure(look(f"https://127.0.0.1:{port}")) == (Step.ADDRESS, "nothing_listens")
    assert failure(look("https://nobody.invalid")) == (Step.ADDRESS, "host_unknown")
    for url in ("ftp://example.org", "https://", "https://h:port", "not an address at all /"):
        assert failure(look(url))[0] is Step.ADDRESS
