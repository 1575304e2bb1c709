"""Enrolling a machine from a window, step by step, with what to do when a step fails (`local_protocol`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from pulse_contracts.local_status import DeviceInfo, LocalModel, LocalParams


class Step(StrEnum):
    """What is looked at, in this order; the last two only when enrolling, as a code works once."""

    ADDRESS = "address"
    TLS = "tls"
    SERVER = "server"
    CLOCK = "clock"
    CODE = "code"
    BROKER = "broker"


class StepState(StrEnum):
    """How a step ended. A warning lets the next steps go on, a failure does not: they are skipped."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepReport(LocalModel):
    """One step; `code` names what was found (`host_unknown`, `certificate_untrusted` …), `advice` what to do about it."""

    step: Step
    state: StepState
    code: str = ""
    message: str = ""
    advice: str = ""
    facts: Annotated[dict[str, Any], Field(description="`version`, `offset_ms`, `host`, `port` …")] = Field(
        default_factory=dict
    )


class StepEvent(LocalModel):
    """A step of an open `enrol.*` request moved on."""

    request: int
    report: StepReport


class EnrolCheckParams(LocalParams):
    """The server's address and, if its certificate is of no public authority, that authority (PEM)."""

    url: Annotated[str, Field(min_length=1, max_length=512)]
    ca_pem: Annotated[str | None, Field(max_length=32 * 1024)] = None


class EnrolParams(EnrolCheckParams):
    """And the one-time code that the server showed. `use_keyring` False keeps the key in a file in any case."""

    code: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    use_keyring: bool = True


class EnrolReport(LocalModel):
    """Each step; `device` once the code was accepted: the agent then starts anew as that device, and windows reconnect."""

    is_ok: bool
    steps: list[StepReport]
    device: DeviceInfo | None = None
