"""Looks at a server before enrolling with it, step by step: address, certificate, what it is, its clock. Blocking.

Every step that fails says what to do about it; those after it are skipped. Never does: send the code anywhere.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pulse_agent.configuration.server_http import Answer, ServerUnreachableError, request
from pulse_contracts.local_enrolment import Step, StepReport, StepState

CONNECT_SECONDS: Final = 10.0
CLOCK_TOLERANCE_SECONDS: Final = 120.0
"""More than that, and a lease or a signature may count as not valid yet, or as over."""
DOCUMENT_PATH: Final = "/api/openapi.json"
PRODUCT: Final = "PrecisionPulse"
_CHECKED: Final = (Step.ADDRESS, Step.TLS, Step.SERVER, Step.CLOCK)
_VERIFY_CODES: Final = {
    9: ("certificate_not_yet_valid", "Set this computer's clock: by it, the certificate is not valid yet."),
    10: ("certificate_expired", "Ask the operator of the server to renew its certificate; or check this clock."),
    62: ("certificate_of_another_host", "Use the name that the certificate was made for."),
    64: ("certificate_of_another_host", "Use the name that the certificate was made for, not the IP address."),
}
_UNTRUSTED: Final = (
    "certificate_untrusted",
    "Get the authority's certificate (a .pem file) from the operator and choose it here.",
)

Tell = Callable[[StepReport], None]


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    is_tls: bool


class _FailedError(Exception):
    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.code = code
        self.advice = advice


def check_server(url: str, ca_file: Path | None, tell: Tell) -> list[StepReport]:
    """Return a report of each step; `tell` is called as each begins and ends."""
    return _Check(url, ca_file, tell).run()


class _Check:
    def __init__(self, url: str, ca_file: Path | None, tell: Tell) -> None:
        self._url = url
        self._ca_file = ca_file
        self._tell = tell
        self._target: _Target | None = None
        self._answer: Answer | None = None
        self._heard_at = datetime.now(UTC)

    def run(self) -> list[StepReport]:
        looks = {
            Step.ADDRESS: self._address,
            Step.TLS: self._tls,
            Step.SERVER: self._server,
            Step.CLOCK: self._clock,
        }
        reports: list[StepReport] = []
        for step in _CHECKED:
            if reports and reports[-1].state in (StepState.FAILED, StepState.SKIPPED):
                report = StepReport(step=step, state=StepState.SKIPPED)
            else:
                self._tell(StepReport(step=step, state=StepState.RUNNING))
                report = self._look(step, looks[step])
            self._tell(report)
            reports.append(report)
        return reports

    @staticmethod
    def _look(step: Step, look: Callable[[], StepReport]) -> StepReport:
        try:
            return look()
        except _FailedError as error:
            return StepReport(
                step=step, state=StepState.FAILED, code=error.code, message=str(error), advice=error.advice
            )

    # -- steps ------------------------------------------------------------------------------------------------------

    def _address(self) -> StepReport:
        self._target = target = _target_of(self._url)
        try:
            with closing(socket.create_connection((target.host, target.port), CONNECT_SECONDS)):
                pass
        except socket.gaierror as error:
            advice = "Check the spelling of the address, and that this computer is on the network."
            raise _FailedError("host_unknown", f"nobody knows the name {target.host}", advice) from error
        except TimeoutError as error:
            advice = "A firewall may be in between: ask for the port to be opened, or check the address."
            raise _FailedError("no_answer", f"{target.host} did not answer on port {target.port}", advice) from error
        except ConnectionRefusedError as error:
            advice = "Check the port, and that the server is running."
            message = f"{target.host} is there, but nothing listens on port {target.port}"
            raise _FailedError("nothing_listens", message, advice) from error
        except OSError as error:
            advice = "Check the network of this computer."
            raise _FailedError("not_reachable", f"{target.host} was not reached: {error}", advice) from error
        facts = {"host": target.host, "port": target.port}
        message = f"{target.host} answers on port {target.port}"
        return StepReport(step=Step.ADDRESS, state=StepState.OK, code="reached", message=message, facts=facts)

    def _tls(self) -> StepReport:
        target = self._target or _target_of(self._url)
        if not target.is_tls:
            return StepReport(
                step=Step.TLS,
                state=StepState.WARNING,
                code="not_encrypted",
                message="the address begins with http: what is sent can be read on the way",
                advice="Use an https address wherever the server has one.",
            )
        try:
            context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
        except (OSError, ValueError) as error:
            advice = "Choose the file that holds the authority's certificate, in PEM form."
            raise _FailedError("authority_unreadable", "the authority's file is no certificate", advice) from error
        try:
            with (
                socket.create_connection((target.host, target.port), CONNECT_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=target.host) as secured,
            ):
                until = str((secured.getpeercert() or {}).get("notAfter", ""))
        except ssl.SSLCertVerificationError as error:
            code, advice = _VERIFY_CODES.get(error.verify_code, _UNTRUSTED)
            raise _FailedError(code, f"the certificate does not hold: {error.verify_message}", advice) from error
        except ssl.SSLError as error:
            advice = "The port may be one without encryption: check the address."
            raise _FailedError("no_tls", f"no secure connection: {error.reason or error}", advice) from error
        except OSError as error:
            raise _FailedError(
                "no_tls", f"no secure connection: {error}", "Check the address and try again."
            ) from error
        message = f"the connection is encrypted and the certificate is trusted (until {until})"
        return StepReport(step=Step.TLS, state=StepState.OK, code="trusted", message=message, facts={"until": until})

    def _server(self) -> StepReport:
        began = datetime.now(UTC)
        try:
            self._answer = answer = request("GET", self._url, DOCUMENT_PATH, None, self._ca_file)
        except ServerUnreachableError as error:
            raise _FailedError("not_reachable", str(error), "Try again; if it stays, tell the operator.") from error
        self._heard_at = began + (datetime.now(UTC) - began) / 2
        title, version = _info_in(answer.body) if answer.status == http.client.OK else ("", "")
        if not title.startswith(PRODUCT):
            is_down = answer.status >= http.client.INTERNAL_SERVER_ERROR
            code, message = (
                ("server_failed", f"the server answers with an error ({answer.status})")
                if is_down
                else ("another_server", "something else than PrecisionPulse answers there")
            )
            raise _FailedError(code, message, "Check the address with the operator of the server.")
        facts = {"name": title, "version": version}
        message = f"{title}, version {version}"
        return StepReport(step=Step.SERVER, state=StepState.OK, code="found", message=message, facts=facts)

    def _clock(self) -> StepReport:
        offset = self._offset_seconds()
        if offset is None:
            message = "the server did not say what time it is"
            return StepReport(step=Step.CLOCK, state=StepState.WARNING, code="time_unknown", message=message)
        facts = {"offset_ms": round(offset * 1000)}
        if abs(offset) <= CLOCK_TOLERANCE_SECONDS:
            message = f"this clock and the server's agree within {max(1, round(abs(offset)))} s"
            return StepReport(step=Step.CLOCK, state=StepState.OK, code="agrees", message=message, facts=facts)
        direction = "behind" if offset > 0 else "ahead of"
        return StepReport(
            step=Step.CLOCK,
            state=StepState.WARNING,
            code="clock_differs",
            message=f"this computer's clock is {abs(offset):,.0f} s {direction} the server's",
            advice="Set the clock, best by turning on automatic time: signing in without the server depends on it.",
            facts=facts,
        )

    def _offset_seconds(self) -> float | None:
        date = None if self._answer is None else self._answer.date
        if date is None:
            return None
        try:
            return (parsedate_to_datetime(date) - self._heard_at).total_seconds()
        except (ValueError, TypeError):
            return None


def _target_of(url: str) -> _Target:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        advice = "An address looks like https://pulse.example.org or https://10.0.0.5:8443."
        raise _FailedError("bad_address", "this is no address of a server", advice)
    is_tls = parts.scheme == "https"
    return _Target(parts.hostname, port or (443 if is_tls else 80), is_tls)


def _info_in(body: bytes) -> tuple[str, str]:
    """Return title and version of an OpenAPI document, of which `body` may be the beginning only."""
    text = body.decode(errors="replace")
    start = text.find('"info":')
    if start < 0:
        return "", ""
    try:
        info, _ = json.JSONDecoder().raw_decode(text[start + len('"info":') :].lstrip())
        return str(info["title"]), str(info["version"])
    except (ValueError, TypeError, KeyError):
        return "", ""
