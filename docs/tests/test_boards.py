"""The MicroPython example, run with the board's modules played: what the broker did not confirm is kept and sent again."""

from __future__ import annotations

import json
import runpy
import ssl
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MAIN = Path(__file__).resolve().parents[2] / "examples/micropython/main.py"


class Enough(Exception):  # noqa: N818 - it ends the program, and is no error
    """The board is switched off."""


class Board:
    """Time, network and broker of a board: the second, third and fourth connections' publishes fail."""

    def __init__(self) -> None:
        self.ms = 0
        self.confirmed: list[dict[str, Any]] = []
        self.connections = 0
        self.measured = 0

    def modules(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
        board = self

        class Station:
            def __init__(self, interface: int) -> None: ...
            def active(self, on: bool) -> None: ...
            def isconnected(self) -> bool:
                return True

        class Watchdog:
            def __init__(self, timeout: int) -> None: ...
            def feed(self) -> None:
                if len(board.confirmed) >= 12:
                    raise Enough

        class Client:
            def __init__(self, client_id: str, server: str, port: int, user: str, password: str, **_: Any) -> None:
                assert (client_id, user, port) == ("kiln-7", "kiln-7", 8883)

            def connect(self, timeout: int) -> None:
                board.connections += 1
                if board.connections == 3:
                    raise OSError("no route")

            def publish(self, topic: str, message: str, qos: int) -> None:
                assert (topic, qos) == ("app/device/kiln-7/telemetry", 1)
                if board.connections in {2, 4} or (len(board.confirmed) == 5 and board.connections == 1):
                    raise OSError("cut")
                board.confirmed.append(json.loads(message))

        def measure() -> int:
            board.measured += 1
            return board.measured

        def sleep_ms(ms: int) -> None:
            board.ms += ms

        class Context:
            def __init__(self, protocol: int) -> None: ...
            def load_verify_locations(self, cadata: bytes) -> None:
                assert cadata == b"authority"

        for name, value in {
            "ticks_ms": lambda: board.ms,
            "ticks_add": lambda ticks, delta: ticks + delta,
            "ticks_diff": lambda a, b: a - b,
            "sleep_ms": sleep_ms,
        }.items():
            monkeypatch.setattr(time, name, value, raising=False)
        monkeypatch.setattr(ssl, "SSLContext", Context)
        made = {
            "esp32": {"mcu_temperature": measure},
            "machine": {"WDT": Watchdog},
            "network": {"WLAN": Station, "STA_IF": 0},
            "ntptime": {"settime": lambda: None},
            "umqtt": {},
            "umqtt.simple": {"MQTTClient": Client},
        }
        modules = {}
        for name, members in made.items():
            modules[name] = ModuleType(name)
            vars(modules[name]).update(members)
        return modules


def test_what_was_not_confirmed_is_sent_again_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    for name, module in board.modules(monkeypatch).items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "ca.der").write_bytes(b"authority")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Enough):
        runpy.run_path(str(MAIN))
    assert board.connections >= 5
    assert [reading["telemetry"]["temperature"] for reading in board.confirmed] == list(range(1, 13))
    assert all(reading["timestamp"].endswith("Z") for reading in board.confirmed)
