"""Identity over HTTP: operations and restores of people and roles, and verifiers, with the services' own key.

Verifiers are kept by enrolment (its sealing key is new each time, as is the key that verifiers are made with) and user,
good for one version of the user: a password that changes changes the version. That there is none is not kept.
Identity being away is `UnavailableError`; for verifiers it only means that some cannot be had now.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from pulse_chassis.errors import PulseError, UnavailableError
from pulse_chassis.logging import get_logger
from pulse_contracts.identity_sync import (
    MAX_VERIFIERS,
    OPERATIONS_PATH,
    RESTORES_PATH,
    VERIFIERS_PATH,
    ApplyRequest,
    ApplyResult,
    RestoreRequest,
    VerifierRequest,
    VerifierResult,
)
from pulse_contracts.ids import ClientId
from pulse_contracts.operations import OperationOutcome
from pulse_contracts.sync import PasswordVerifier
from pulse_sync.use_cases.ports import Desktop

ANSWER_SECONDS: Final = 30.0
"""Of a hundred operations, each with a password to hash, on a busy machine."""
MAX_KEPT: Final = 200_000
"""Verifiers in memory, some 400 bytes each; beyond that the one unused for longest is asked for again."""
_REFUSED: Final = range(400, 500)
_log = get_logger("identity_link")


class IdentityLink:
    """The `PeopleOwner` and `Verifiers` of production."""

    def __init__(self, identity_url: str, internal_key: str) -> None:
        headers = {"Authorization": f"Bearer {internal_key}"}
        self._client = httpx.AsyncClient(base_url=identity_url, headers=headers, timeout=ANSWER_SECONDS)
        self._kept: OrderedDict[tuple[str, str], tuple[int, PasswordVerifier]] = OrderedDict()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def apply(self, device_id: str, operations: Sequence[str]) -> Sequence[OperationOutcome]:
        """Apply operations in this order."""
        request = ApplyRequest(desktop_id=ClientId(device_id), operations=list(operations))
        answer = await self._post(OPERATIONS_PATH, request)
        try:
            outcomes = ApplyResult.model_validate_json(answer).outcomes
        except ValidationError as error:
            raise _away("an answer that cannot be read") from error
        if len(outcomes) != len(operations):
            raise _away("an answer to other operations")
        return outcomes

    async def restore(self, actor: UUID, entity: str, row_id: str, fields: Mapping[str, Any]) -> None:
        """Make these fields stand as a new edit; what identity refuses is raised as it says."""
        kind = cast("Any", entity)  # Checked by the model.
        await self._post(RESTORES_PATH, RestoreRequest(actor=actor, entity=kind, id=row_id, fields=dict(fields)))

    async def verifiers(self, desktop: Desktop, versions: Mapping[str, int]) -> Mapping[str, PasswordVerifier | None]:
        """Return the verifiers that are known or can be had now."""
        known: dict[str, PasswordVerifier | None] = {}
        missing = []
        for user_id, version in versions.items():
            place = (desktop.seal_key, user_id)
            kept = self._kept.get(place)
            if kept is not None and kept[0] == version:
                self._kept.move_to_end(place)
                known[user_id] = kept[1]
            else:
                missing.append(user_id)
        try:
            for start in range(0, len(missing), MAX_VERIFIERS):
                known |= await self._fetch(desktop, missing[start : start + MAX_VERIFIERS], versions)
        except PulseError as error:
            _log.warning("verifiers_not_fetched", desktop=desktop.device_id, users=len(missing), reason=error.message)
        return known

    async def _fetch(
        self, desktop: Desktop, user_ids: Sequence[str], versions: Mapping[str, int]
    ) -> dict[str, PasswordVerifier | None]:
        named = [UUID(user_id) for user_id in user_ids]
        request = VerifierRequest(desktop_id=ClientId(desktop.device_id), user_ids=named)
        answer = await self._post(VERIFIERS_PATH, request)
        try:
            found = VerifierResult.model_validate_json(answer).verifiers
        except ValidationError as error:
            raise _away("verifiers that cannot be read") from error
        for user_id, verifier in found.items():
            if user_id in versions:
                self._kept[desktop.seal_key, user_id] = (versions[user_id], verifier)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return {user_id: found.get(user_id) for user_id in user_ids}

    async def _post(self, path: str, body: BaseModel) -> bytes:
        content = body.model_dump_json(exclude_unset=True)
        try:
            answer = await self._client.post(path, content=content, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            raise _away(type(error).__name__) from error
        if answer.status_code in _REFUSED:
            raise _refusal(answer)
        if not answer.is_success:
            raise _away(f"HTTP {answer.status_code}")
        return answer.content


def _away(reason: str) -> UnavailableError:
    return UnavailableError(f"identity is not available: {reason}", code="identity_unavailable", retry_after=2.0)


def _refusal(answer: httpx.Response) -> PulseError:
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem.get("detail") or problem.get("title") or "refused")
    except (ValueError, KeyError, TypeError, AttributeError):
        return _away(f"HTTP {answer.status_code}")
    if answer.status_code in {401, 408, 429}:
        # Of our own key, or of a moment: nothing that whoever asked could mend.
        return _away(code)
    return PulseError(code, detail, answer.status_code)
