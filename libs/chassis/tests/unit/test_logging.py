import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from pulse_chassis.logging import (
    bind_correlation_id,
    configure_logging,
    current_correlation_id,
    get_logger,
)

CANARY = "canary-9f31c2"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("ingest")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_the_event_first(lines: Callable[[], list[dict[str, Any]]]) -> None:
    get_logger("store").info("batch_stored", rows=3)
    (line,) = lines()
    assert next(iter(line)) == "event"
    assert (line["event"], line["rows"], line["service"], line["part"], line["level"]) == (
        "batch_stored",
        3,
        "ingest",
        "store",
        "info",
    )
    assert line["timestamp"].endswith("Z")


def test_what_libraries_log_takes_the_same_way(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("some.library").warning("it said %s", "so")
    logging.getLogger("some.library").debug("not this")
    (line,) = lines()
    assert (line["event"], line["logger"], line["service"]) == ("it said so", "some.library", "ingest")


def test_the_correlation_id_is_on_every_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with structlog.contextvars.bound_contextvars():
        bound = bind_correlation_id()
        assert current_correlation_id() == bound
        get_logger().info("one")
        logging.getLogger("library").warning("two")
        structlog.contextvars.clear_contextvars()
    assert [line["correlation_id"] for line in lines()] == [bound, bound]


@pytest.mark.parametrize(
    "fields",
    [
        {"password": CANARY},
        {"Api_Key": CANARY},
        {"refresh_token": CANARY},
        {"payload": {"deep": [{"client_secret": CANARY}]}},
        {"url": f"postgresql://role:{CANARY}@host/db"},
        {"url": f"redis://:{CANARY}@host/0"},
        {"header": f"Bearer {CANARY}"},
        {"text": f"token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.{CANARY}"},  # pragma: allowlist secret
        {"text": f'{{"api_key": "{CANARY}"}}'},
        {"text": f"password={CANARY}&x=1"},
        {"thing": type("Thing", (), {"__str__": lambda _self: f"secret={CANARY}"})()},
    ],
)
def test_a_secret_is_never_written(lines: Callable[[], list[dict[str, Any]]], fields: dict[str, Any]) -> None:
    get_logger().info("something_happened", **fields)
    assert CANARY not in json.dumps(lines())


def test_a_secret_in_a_traceback_is_not_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        message = f"cannot connect to postgresql://role:{CANARY}@host/db"
        raise ConnectionError(message)
    except ConnectionError:
        get_logger().exception("connect_failed")
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert "ConnectionError" in line["exception"]


def test_harmless_fields_stay(lines: Callable[[], list[dict[str, Any]]]) -> None:
    get_logger().info("token_checked", token_expires_in=5, ratio=0.5, ids=[1, 2], nothing=None)
    (line,) = lines()
    assert (line["token_expires_in"], line["ratio"], line["ids"], line["nothing"]) == (5, 0.5, [1, 2], None)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown log level"):
        configure_logging("x", level="LOUD")


@pytest.mark.usefixtures("lines")
def test_a_tap_is_shown_what_is_written_and_no_secret() -> None:
    seen: list[dict[str, Any]] = []
    configure_logging("svc", "INFO", tap=lambda line: seen.append(dict(line)))
    get_logger("door").info("signed_in", password="hunter2", user="anna")
    get_logger("door").debug("not_written")
    logging.getLogger("library").warning("from a library, token=abcdef")
    assert [line["event"] for line in seen] == ["signed_in", "from a library, token=[redacted]"]
    assert (seen[0]["password"], seen[0]["user"], seen[0]["part"]) == ("[redacted]", "anna", "door")
