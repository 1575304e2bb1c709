"""The accounts of devices in Mosquitto's dynamic-security plugin.

An account's name and only client id are the device's id, its password is the API key, its one role is `device`; what it
may publish and read stands in the broker's acl_file by patterns on the account's name. Accounts without that role are
somebody else's: never listed, changed or deleted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from pulse_chassis.errors import ConflictError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.run import Worker
from pulse_contracts.topics import SYNC_UPDATE_FILTER
from pulse_identity.domain.devices import DeviceAccount
from pulse_identity.domain.reconciliation import AccountState
from pulse_identity.messaging.dynsec_link import Answer, Command, DynsecLink

DEVICE_ROLE: Final = "device"
LIST_PAGE: Final = 200
_EXISTS: Final = "Client already exists"
_NOT_FOUND: Final = "Client not found"
# Denied by default: the plugin then leaves topics to the acl_file, and what that does not allow is refused.
_DEFAULT_ACCESS: Final = {
    "publishClientSend": False,
    "publishClientReceive": False,
    "subscribe": False,
    "unsubscribe": True,
}
_DEVICE_ACLS: Final = (
    # Else any device could join ingest's shared group and swallow its messages: acl_file does not check subscriptions.
    {"acltype": "subscribePattern", "topic": "$share/#", "priority": 100, "allow": False},
    {"acltype": "publishClientReceive", "topic": SYNC_UPDATE_FILTER, "priority": 0, "allow": True},
)
_log = get_logger("broker")


class MosquittoAccounts:
    """A `BrokerAccounts` over `$CONTROL/dynamic-security/v1`."""

    def __init__(self, endpoint: MqttEndpoint) -> None:
        self._link = DynsecLink(endpoint, on_connected=_ensure_policy)

    def worker(self) -> Worker:
        """Return the worker that keeps the connection."""
        return self._link.worker()

    async def close(self) -> None:
        """Nothing is left: the worker ended the connection."""

    async def check(self) -> None:
        """Raise UnavailableError unless the broker answers: a check for `HealthRegistry`."""
        await self._link.check()

    async def put(self, accounts: Sequence[DeviceAccount]) -> None:
        """Create accounts, or give existing ones the new key, which disconnects them; read back what was done."""
        created: list[str] = []
        try:
            existing = await self._create(accounts, created)
            await self._renew(existing)
            switched_off = [account.device_id for account in accounts if not account.is_enabled]
            await self._expect([{"command": "disableClient", "username": name} for name in switched_off])
            await self._read_back(accounts)
        except (UnavailableError, ConflictError):
            # What was just created has no device; if this fails as well, the reconciler removes it.
            with suppress(UnavailableError):
                await self.delete(created)
            raise

    async def set_enabled(self, device_id: str, *, is_enabled: bool) -> bool:
        """Enable an account, or disable it and disconnect it at once; False when there is no such account."""
        if await self.find(device_id) is None:
            return False
        command = "enableClient" if is_enabled else "disableClient"
        (answer,) = await self._expect([{"command": command, "username": device_id}], but=_NOT_FOUND)
        return "error" not in answer

    async def delete(self, device_ids: Sequence[str]) -> None:
        """Delete accounts and disconnect them at once; those that are not there do not matter."""
        ours = [account.device_id for account in await self._states(device_ids) if account is not None]
        await self._expect([{"command": "deleteClient", "username": name} for name in ours], but=_NOT_FOUND)

    async def find(self, device_id: str) -> AccountState | None:
        """Return one device's account."""
        return (await self._states([device_id]))[0]

    async def all(self) -> list[AccountState]:
        """Return all devices' accounts."""
        found: dict[str, AccountState] = {}
        offset = 0
        while True:
            page = {"command": "listClients", "verbose": True, "count": LIST_PAGE, "offset": offset}
            (answer,) = await self._expect([page])
            clients = answer["data"]["clients"]
            found.update({state.device_id: state for state in map(_state, clients) if state is not None})
            offset += LIST_PAGE
            if len(clients) < LIST_PAGE:
                return list(found.values())

    async def _create(self, accounts: Sequence[DeviceAccount], created: list[str]) -> list[DeviceAccount]:
        """Create what does not exist, noting it in `created`; return what exists."""
        commands = [{"command": "createClient", **_fields(account)} for account in accounts]
        existing = []
        for start in range(0, len(commands), _STEP):
            part = accounts[start : start + _STEP]
            # Noted first: without an answer it may have been created all the same.
            created += [account.device_id for account in part]
            for account, answer in zip(part, await self._link.send(commands[start : start + _STEP]), strict=True):
                if answer.get("error") == _EXISTS:
                    existing.append(account)
                    created.remove(account.device_id)
                else:
                    _check(answer)
        return existing

    async def _renew(self, accounts: Sequence[DeviceAccount]) -> None:
        states = await self._states([account.device_id for account in accounts])
        if None in states:
            message = "this id belongs to an account of the broker that is not a device's"
            raise ConflictError(message, code="reserved_device_id", field="id")
        await self._expect([{"command": "modifyClient", **_fields(account)} for account in accounts])
        enabled = [account.device_id for account in accounts if account.is_enabled]
        await self._expect([{"command": "enableClient", "username": name} for name in enabled])

    async def _read_back(self, accounts: Sequence[DeviceAccount]) -> None:
        states = await self._states([account.device_id for account in accounts])
        for account, state in zip(accounts, states, strict=True):
            if state != AccountState(account.device_id, account.is_enabled, account.key.prefix):
                _log.error("broker_account_differs", device_id=account.device_id, found=str(state))
                message = "the broker did not keep an account as it was given"
                raise UnavailableError(message, code="broker_refused")

    async def _states(self, device_ids: Sequence[str]) -> list[AccountState | None]:
        commands = [{"command": "getClient", "username": device_id} for device_id in device_ids]
        answers = await self._expect(commands, but=_NOT_FOUND)
        return [None if "error" in answer else _state(answer["data"]["client"]) for answer in answers]

    async def _expect(self, commands: Sequence[Command], *, but: str | None = None) -> list[Answer]:
        """Send commands and return their answers; an error other than `but` raises UnavailableError."""
        answers = await self._link.send(commands) if commands else []
        for answer in answers:
            if but is None or answer.get("error") != but:
                _check(answer)
        return answers


_STEP: Final = 10


def _fields(account: DeviceAccount) -> dict[str, Any]:
    return {
        "username": account.device_id,
        "clientid": account.device_id,
        "password": account.key.text,
        # So that one can see whether the broker has the key that the registry has.
        "textdescription": account.key.prefix,
        "roles": [{"rolename": DEVICE_ROLE}],
    }


def _state(client: Mapping[str, Any]) -> AccountState | None:
    """Read a client entry of the plugin; None for an account that is not a device's."""
    if DEVICE_ROLE not in {role.get("rolename") for role in client.get("roles", [])}:
        return None
    return AccountState(client["username"], not client.get("disabled", False), client.get("textdescription"))


def _check(answer: Answer) -> None:
    if "error" in answer:
        _log.error("broker_refused_command", command=answer.get("command"), reason=answer["error"])
        message = "the broker refused to change an account"
        raise UnavailableError(message, code="broker_refused")


async def _ensure_policy(link: DynsecLink) -> None:
    """See that the broker denies by default and that devices' shared role is what it must be; change only what isn't."""
    access, role = await link.send_while_connecting(
        [{"command": "getDefaultACLAccess"}, {"command": "getRole", "rolename": DEVICE_ROLE}]
    )
    _check(access)
    held = {entry["acltype"]: entry["allow"] for entry in access["data"]["acls"]}
    commands: list[Command] = []
    if held != _DEFAULT_ACCESS:
        acls = [{"acltype": kind, "allow": allow} for kind, allow in _DEFAULT_ACCESS.items()]
        commands.append({"command": "setDefaultACLAccess", "acls": acls})
    if "error" in role:
        commands.append({"command": "createRole", "rolename": DEVICE_ROLE, "acls": list(_DEVICE_ACLS)})
    else:
        has = role["data"]["role"].get("acls", [])
        missing = [acl for acl in _DEVICE_ACLS if acl not in has]
        commands += [{"command": "addRoleACL", "rolename": DEVICE_ROLE, **acl} for acl in missing]
    if commands:
        for answer in await link.send_while_connecting(commands):
            _check(answer)
        _log.info("broker_policy_set", commands=len(commands))
