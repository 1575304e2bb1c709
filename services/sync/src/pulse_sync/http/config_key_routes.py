"""`/api/config/keys`: what can be configured. Built-in keys are fixed; administrators add theirs under `custom.`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_contracts.configuration import CONFIG_KEY_PATTERN, MAX_KEY_CHARS
from pulse_contracts.permissions import Permission
from pulse_sync.domain.config_entries import ConfigKey
from pulse_sync.http.config_routes import actor_of
from pulse_sync.http.config_schemas import KeyAnswer, KeyBody, KeyList, NewKeyBody
from pulse_sync.http.use_case_set import Given

router = APIRouter(tags=["config"])
Reader = Annotated[Principal, Depends(requires(Permission.CONFIG_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.CONFIG_WRITE))]
Key = Annotated[str, Path(pattern=CONFIG_KEY_PATTERN, max_length=MAX_KEY_CHARS)]


@router.get("/api/config/keys", summary="List configuration keys")
async def list_keys(principal: Reader, given: Given) -> KeyList:
    """Return every key with what its values may be."""
    del principal
    return KeyList(items=[KeyAnswer.of(key) for key in await given.read_config.keys()])


@router.post("/api/config/keys", status_code=201, summary="Add a custom key")
async def add_key(body: NewKeyBody, principal: Writer, given: Given, response: Response) -> KeyAnswer:
    """Declare a key; agents hand its values to plug-ins."""
    return _answer(response, await given.edit_config_keys.add(actor_of(principal), body.key, body.spec))


@router.get("/api/config/keys/{key}", summary="Read a key")
async def read_key(key: Key, principal: Reader, given: Given, response: Response) -> KeyAnswer:
    """Return a key."""
    del principal
    return _answer(response, await given.read_config.key(key))


@router.put("/api/config/keys/{key}", summary="Change a custom key")
async def change_key(
    key: Key, body: KeyBody, principal: Writer, given: Given, expected: IfMatch, response: Response
) -> KeyAnswer:
    """Change what a key's values may be; what its entries hold has to fit."""
    return _answer(response, await given.edit_config_keys.change(actor_of(principal), key, body.spec, expected))


@router.delete("/api/config/keys/{key}", status_code=204, summary="Remove a custom key")
async def remove_key(
    key: Key,
    principal: Writer,
    given: Given,
    expected: IfMatch,
    force: Annotated[bool, Query(description="delete its entries as well")] = False,
) -> Response:
    """Remove a key; while there are entries of it only with `force`."""
    await given.edit_config_keys.remove(actor_of(principal), key, expected, with_entries=force)
    return Response(status_code=204)


def _answer(response: Response, key: ConfigKey) -> KeyAnswer:
    set_etag(response, key.version)
    return KeyAnswer.of(key)
