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
    sign_jwk: Annotated[
        dict[str, str] | None, Field(description="the desktop's public key for operations: EC P-256 JWK with kid")
    ] = None
    seal_key: Annotated[
        str | None, Field(min_length=44, max_length=44, description="the desktop's X25519 public key, base 64")
    ] = None


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
    verifier_key: Annotated[
        str | None, Field(description="K_desktop of sync.md, 7: 32 bytes, base 64; only with the desktop's keys")
    ] = None
    password_key: Annotated[
        str | None, Field(description="what to seal passwords to on their way to identity: X25519, base 64")
    ] = None
