"""Enrolling with a one-time code over HTTP(S): the only request that the agent ever makes there."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from pulse_agent.configuration.device import CA_FILE, EnrolledDevice, save_device, write_private
from pulse_agent.configuration.key_store import save_key
from pulse_agent.settings import agent_version
from pulse_contracts.enrolment import EnrolmentRequest, EnrolmentResult

TIMEOUT_SECONDS: Final = 15.0
MAX_ANSWER_BYTES: Final = 256 * 1024


class EnrolmentError(Exception):
    """The server was not reached, or did not accept the code; the message says which, in words."""


def enroll(
    url: str, code: str, data: Path, *, ca_file: Path | None = None, allow_keyring: bool = True
) -> EnrolledDevice:
    """Exchange the code for this machine's identity and keep it in `data`. Raises EnrolmentError."""
    try:
        request = EnrolmentRequest(code=code, hostname=socket.gethostname()[:255], agent_version=agent_version())
    except ValidationError as error:
        raise EnrolmentError("that is no enrolment code: a code has 8 to 64 characters") from error
    result = _ask(url, request, ca_file)
    store = save_key(data, result.device_id, result.api_key, allow_keyring=allow_keyring)
    if result.mqtt.ca_pem:
        write_private(data / CA_FILE, result.mqtt.ca_pem)
    device = EnrolledDevice(
        device_id=result.device_id,
        name=result.name,
        server_url=url,
        host=result.mqtt.host,
        port=result.mqtt.port,
        tls_port=result.mqtt.tls_port,
        ca_file=CA_FILE if result.mqtt.ca_pem else None,
        key_store=store.value,
    )
    save_device(data, device)
    return device


def _ask(url: str, request: EnrolmentRequest, ca_file: Path | None) -> EnrolmentResult:
    status, body = _post(url, request.model_dump_json().encode(), ca_file)
    if status not in (http.client.OK, http.client.CREATED):
        raise EnrolmentError(f"the server refused ({status}): {_problem_in(body)}")
    try:
        return EnrolmentResult.model_validate_json(body)
    except ValidationError as error:
        raise EnrolmentError(
            f"{url} answered something that is no enrolment; is it a PrecisionPulse server?"
        ) from error


def _post(url: str, body: bytes, ca_file: Path | None) -> tuple[int, bytes]:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EnrolmentError(f"{url!r} is no http or https address")
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        path = parts.path.rstrip("/") + "/api/devices/enroll"
        connection.request("POST", path, body, {"Content-Type": "application/json", "Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EnrolmentError(f"{url} was not reached: {error}") from error


def _problem_in(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem.get("title") or problem.get("code"))
    except (ValueError, AttributeError):
        return "no reason given"
