"""What a new device and identity say to each other once, over HTTP, to enrol with a one-time code."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pulse_contracts.ids import ClientIdField


class EnrolmentRequest(BaseModel):
    """`POST /api/devices/enroll`: the code is the only credential, and works once."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: Annotated[str, Field(min_length=8, max_length=64)]
    hostname: Annotated[str, Field(max_length=255)] = ""
    agent_version: Annotated[str, Field(max_length=32)] = ""


class BrokerAddress(BaseModel):
    """Where the broker is; `ca_pem` is what signs its certificate when that is not a public authority."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    port: Annotated[int | None, Field(description="plain; absent where only TLS is offered")] = None
    tls_port: int | None = None
    ca_pem: str | None = None


class EnrolmentResult(BaseModel):
    """Everything the device needs from now on; the API key is shown here and never again."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    device_id: ClientIdField
    name: str
    api_key: str
    mqtt: BrokerAddress
