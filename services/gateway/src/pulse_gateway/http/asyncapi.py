"""The live socket as an AsyncAPI 3 document, generated from the frames of the contracts.

The committed copy is `services/gateway/asyncapi.json`; a test fails when it is not what the code says.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from pulse_contracts import frames

COMMITTED: Final = Path(__file__).resolve().parents[3] / "asyncapi.json"

_CLIENT: Final[dict[str, type[frames.Frame]]] = {
    "auth": frames.AuthFrame,
    "auth_refresh": frames.AuthRefreshFrame,
    "subscribe": frames.SubscribeFrame,
    "tune": frames.TuneFrame,
    "unsubscribe": frames.UnsubscribeFrame,
    "ping": frames.PingFrame,
}
_SERVER: Final[dict[str, type[frames.Frame]]] = {
    "hello": frames.HelloFrame,
    "ready": frames.ReadyFrame,
    "ack": frames.AckFrame,
    "error": frames.ErrorFrame,
    "snapshot": frames.SnapshotFrame,
    "data": frames.DataFrame,
    "state": frames.StateFrame,
    "event": frames.EventFrame,
    "gap": frames.GapFrame,
    "hb": frames.HeartbeatFrame,
    "token_expiring": frames.TokenExpiringFrame,
    "unsubscribed": frames.UnsubscribedFrame,
    "user": frames.UserFrame,
    "pong": frames.PongFrame,
    "bye": frames.ByeFrame,
}
_DESCRIPTION: Final = """\
JSON text frames; a frame is one object or an array of objects. The first frame is `auth`, within 10 s. Times are integer
Unix milliseconds. Unknown fields and unknown server types are to be ignored.

Close codes: 40xx stop and tell the user, 41xx mend and back off at least 1 s, 42xx reconnect with jitter and resume.

Resume: keep the offset of each applied frame and the epoch of the last `ack` or `snapshot`, and subscribe with
`since{epoch,offset}`. A `snapshot` replaces the state of its subscription from its page 0 on.

Keyed state (`snapshot.set`, `state`): `devices` and `sync` by device id, `system` under `summary`, `config` by entry id
(`scope/target/key`; entries for a device only with that device in scope). Log (`event`): `commands`; its interval is at
most 20 ms. A topic whose service is not installed or has not started yet answers `unavailable`; ask again later.
"""


@cache
def asyncapi_document() -> dict[str, Any]:
    """Return the document."""
    models = [*_CLIENT.values(), *_SERVER.values()]
    # As they go over the wire: `del`, not `del_`; what the server always sends is required.
    references, definitions = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, ref_template="#/components/schemas/{model}"
    )
    named = {**_CLIENT, **_SERVER}
    messages = {
        name: {
            "name": name,
            "contentType": "application/json",
            "summary": (model.__doc__ or "").strip().splitlines()[0],
            "payload": references[(model, "validation")],
        }
        for name, model in named.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "PrecisionPulse live socket",
            "version": frames.SUBPROTOCOL.rpartition(".")[2],
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": "/ws/live",
                "description": f"WebSocket, subprotocol `{frames.SUBPROTOCOL}`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in named},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "toServer": _operation("receive", "What a client sends", _CLIENT),
            "toClient": _operation("send", "What the server sends", _SERVER),
        },
        "components": {"messages": messages, "schemas": definitions.get("$defs", {})},
    }


def asyncapi_text() -> str:
    """Return the document as it is committed."""
    return json.dumps(asyncapi_document(), indent=2, sort_keys=True) + "\n"


def _operation(action: str, summary: str, messages: dict[str, type[frames.Frame]]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
    }
