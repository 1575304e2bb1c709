"""One-time codes, and the devices that enrol themselves with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends
from fastapi.openapi.models import Example

from pulse_chassis.bearer import Principal, public, requires
from pulse_chassis.errors import PulseError
from pulse_contracts.enrolment import EnrolmentRequest, EnrolmentResult
from pulse_contracts.permissions import Permission
from pulse_identity.http.auth_routes import Credentials
from pulse_identity.http.device_schemas import CodeAnswer, CodeBody
from pulse_identity.http.use_case_set import Client, Given, caller_of
from pulse_identity.use_cases.equip_desktop import checked_keys

router = APIRouter(tags=["devices"])
_EXAMPLE: Example = {"value": {"code": "7K2P-9QXA-MB4T-0ZFD-HN6C", "hostname": "field-pc-7", "agent_version": "0.1.0"}}
Enrolling = Annotated[EnrolmentRequest, Body(openapi_examples={"a field client": _EXAMPLE})]


@router.post("/api/devices/enrolment-codes", status_code=201, summary="Make a one-time enrolment code")
async def make_code(
    principal: Annotated[Principal, Depends(requires(Permission.DEVICES_WRITE))],
    given: Given,
    body: CodeBody | None = None,
) -> CodeAnswer:
    """Make a code for one device; it is in the answer and nowhere else."""
    text, code = await given.issue_enrolment_code(caller_of(principal), (body or CodeBody()).wish())
    return CodeAnswer.of(text, code)


@router.post(
    "/api/devices/enroll",
    dependencies=[Depends(public("the one-time code is the credential")), Credentials],
    summary="Enrol a device with a one-time code",
)
async def enroll(body: Enrolling, given: Given, client: Client) -> EnrolmentResult:
    """Use a code up and return all that the device needs."""
    keys = checked_keys(body.sign_jwk, body.seal_key)
    try:
        enrolled = await given.enrol_device(body.code, body.hostname, client.address, keys)
    except PulseError:
        given.count.add("enrolments_refused")
        raise
    given.count.add("devices_enrolled")
    return EnrolmentResult(
        device_id=enrolled.device.id,
        name=enrolled.device.name,
        api_key=enrolled.key.text,
        mqtt=given.broker_address,
        verifier_key=None if enrolled.secrets is None else enrolled.secrets.verifier_key,
        password_key=None if enrolled.secrets is None else enrolled.secrets.password_key,
    )
