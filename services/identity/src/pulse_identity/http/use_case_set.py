"""All that the routes call, in one place that `app` fills, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from pulse_chassis.bearer import Principal
from pulse_chassis.metrics import Counters
from pulse_contracts.enrolment import BrokerAddress
from pulse_contracts.frames import LivePosition
from pulse_identity.http.metrics import CounterName
from pulse_identity.use_cases.admit_to_broker import AdmitToBroker
from pulse_identity.use_cases.apply_operations import ApplyOperations
from pulse_identity.use_cases.authorise import Caller
from pulse_identity.use_cases.change_device import ChangeDevice
from pulse_identity.use_cases.change_profile import ChangeProfile
from pulse_identity.use_cases.change_user import ChangeUser
from pulse_identity.use_cases.create_user import CreateUser
from pulse_identity.use_cases.delete_device import DeleteDevice
from pulse_identity.use_cases.delete_user import DeleteUser
from pulse_identity.use_cases.edit_roles import EditRoles
from pulse_identity.use_cases.end_sessions import EndSessions
from pulse_identity.use_cases.enrol_device import EnrolDevice
from pulse_identity.use_cases.find_devices import FindDevices
from pulse_identity.use_cases.find_people import FindPeople
from pulse_identity.use_cases.import_devices import ImportDevices
from pulse_identity.use_cases.issue_enrolment_code import IssueEnrolmentCode
from pulse_identity.use_cases.issue_verifiers import IssueVerifiers
from pulse_identity.use_cases.read_audit import ReadAudit
from pulse_identity.use_cases.refresh_session import RefreshSession
from pulse_identity.use_cases.register_devices import RegisterDevices
from pulse_identity.use_cases.register_user import RegisterUser
from pulse_identity.use_cases.restore_edit import RestoreEdit
from pulse_identity.use_cases.rotate_device_key import RotateDeviceKey
from pulse_identity.use_cases.share_device import ShareDevice
from pulse_identity.use_cases.sign_in import ClientInfo, SignIn
from pulse_identity.use_cases.sign_in_externally import SignInExternally
from pulse_identity.use_cases.sign_out import SignOut
from pulse_identity.use_cases.switch_device import SwitchDevice
from pulse_identity.use_cases.unshare_device import UnshareDevice


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """How somebody may get in; what a sign-in page shows."""

    registration: bool = False
    oidc: str | None = None
    """The name of the other sign-in provider; None without one."""


@dataclass(frozen=True, slots=True)
class UseCases:
    """What identity does, ready to be called."""

    sign_in: SignIn
    refresh_session: RefreshSession
    sign_in_externally: SignInExternally | None
    sign_out: SignOut
    find_people: FindPeople
    create_user: CreateUser
    change_user: ChangeUser
    change_profile: ChangeProfile
    register_user: RegisterUser
    edit_roles: EditRoles
    end_sessions: EndSessions
    delete_user: DeleteUser
    find_devices: FindDevices
    register_devices: RegisterDevices
    import_devices: ImportDevices
    change_device: ChangeDevice
    rotate_device_key: RotateDeviceKey
    switch_device: SwitchDevice
    delete_device: DeleteDevice
    share_device: ShareDevice
    unshare_device: UnshareDevice
    issue_enrolment_code: IssueEnrolmentCode
    enrol_device: EnrolDevice
    admit_to_broker: AdmitToBroker
    broker_secret: str | None
    apply_operations: ApplyOperations
    restore_edit: RestoreEdit
    issue_verifiers: IssueVerifiers
    read_audit: ReadAudit
    published_keys: Callable[[], Awaitable[dict[str, Any]]]
    live_position: Callable[[], Awaitable[LivePosition | None]]
    broker_address: BrokerAddress
    allowed_origins: frozenset[str]
    sign_in_methods: SignInMethods
    count: Counters[CounterName]


async def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


async def client_of(request: Request) -> ClientInfo:
    """Return who asks; behind a trusted proxy the address is the forwarded one."""
    address = request.client.host if request.client else "unknown"
    return ClientInfo(address, request.headers.get("user-agent", ""))


def caller_of(principal: Principal) -> Caller:
    """Return the caller that a verified token speaks for."""
    return Caller(principal.user_id, principal.session_id)


Given = Annotated[UseCases, Depends(use_cases_of)]
Client = Annotated[ClientInfo, Depends(client_of)]
