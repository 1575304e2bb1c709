"""Device accounts on a running broker, for tests and tools that have no identity service at hand.

In the product identity does this; here is the least that registers, removes or disables an account and waits for the
broker's answer.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pulse_local.errors import NotReadyError
from pulse_local.ports import LOOPBACK
from pulse_local.servers.broker_accounts import DEVICE_ROLE

_REQUEST = "$CONTROL/dynamic-security/v1"
_RESPONSE = f"{_REQUEST}/response"


class BrokerControl:
    """Sends one command at a time as the dynamic-security administrator, each over its own short connection."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._port = port
        self._username = username
        self._password = password

    def add_device(self, device_id: str, password: str) -> None:
        """Create a device's account; raises NotReadyError with the broker's words when it refuses."""
        self.send(
            {
                "command": "createClient",
                "username": device_id,
                "password": password,
                "clientid": device_id,
                "roles": [{"rolename": DEVICE_ROLE}],
            }
        )

    def remove_device(self, device_id: str) -> None:
        """Delete a device's account; the broker disconnects it."""
        self.send({"command": "deleteClient", "username": device_id})

    def disable_device(self, device_id: str) -> None:
        """Disable a device's account; the broker disconnects it."""
        self.send({"command": "disableClient", "username": device_id})

    def send(self, command: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """Send one command and return the broker's answer; raises NotReadyError on a refusal or after `timeout` s."""
        mark = uuid.uuid4().hex
        answered = threading.Event()
        answers: list[dict[str, Any]] = []
        request = json.dumps({"commands": [{**command, "correlationData": mark}]})

        def on_connect(client: paho.Client, *_: object) -> None:
            client.subscribe(_RESPONSE)

        def on_subscribe(client: paho.Client, *_: object) -> None:
            client.publish(_REQUEST, request, qos=1)

        def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
            mine = [one for one in json.loads(message.payload)["responses"] if one.get("correlationData") == mark]
            answers.extend(mine)
            if mine:
                answered.set()

        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.username_pw_set(self._username, self._password)
        client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
        client.connect(LOOPBACK, self._port)
        client.loop_start()
        try:
            answered.wait(timeout)
        finally:
            client.disconnect()
            client.loop_stop()
        if not answers or "error" in answers[0]:
            said = answers[0]["error"] if answers else f"no answer within {timeout:.0f} s"
            raise NotReadyError("broker_control", f"The broker refused {command['command']}: {said}")
        return answers[0]
