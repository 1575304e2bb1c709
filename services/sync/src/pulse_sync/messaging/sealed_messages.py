"""The envelope of what sync says to a desktop: signed for it and its topic, then sealed to its key."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from pulse_chassis.clock import Clock
from pulse_chassis.sealing import Sealer
from pulse_chassis.signatures import SigningKey
from pulse_contracts.ids import ClientId
from pulse_contracts.sync import DOWN_TYPE, SEALED
from pulse_contracts.topics import sync_down

MAX_SEALERS: Final = 10_000
"""Keys of desktops that are kept ready; beyond that the one unused for longest is read again when it is needed."""


class SealedMessages:
    """Signs and seals."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._sealers: OrderedDict[str, Sealer] = OrderedDict()

    def seal(self, device_id: str, seal_key: str, body: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return topic and payload of a message down; raises SealError when the desktop's key is none."""
        topic = sync_down(ClientId(device_id))
        message = {
            "v": 1,
            "aud": device_id,
            "topic": topic,
            "iat": int(self._clock.now().timestamp() * 1000),
            **body,
        }
        payload = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        token = self._key.sign(payload, DOWN_TYPE)
        return topic, SEALED + self._sealer(seal_key).seal(token.encode("ascii"))

    def _sealer(self, seal_key: str) -> Sealer:
        sealer = self._sealers.get(seal_key)
        if sealer is None:
            sealer = self._sealers[seal_key] = Sealer(seal_key)
            if len(self._sealers) > MAX_SEALERS:
                self._sealers.popitem(last=False)
        self._sealers.move_to_end(seal_key)
        return sealer
