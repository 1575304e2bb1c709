"""What may not be set."""

from importlib import metadata
from typing import Any

import pytest

from pulse_chassis.settings import SettingsError
from pulse_ingest.settings import IngestSettings

GIVEN: dict[str, Any] = {"database_url": "postgresql://localhost/x", "redis_url": "redis://localhost"}


def test_a_promise_cannot_be_switched_off_outside_of_a_test_build(monkeypatch: Any) -> None:
    assert IngestSettings(**GIVEN, ingest_unsafe_disable="dedupe").ingest_unsafe_disable == "dedupe"
    monkeypatch.setattr(metadata, "entry_points", lambda **_: ())
    assert IngestSettings(**GIVEN).ingest_unsafe_disable is None
    with pytest.raises(SettingsError, match=r"PULSE_INGEST_UNSAFE_DISABLE.*test build"):
        IngestSettings(**GIVEN, ingest_unsafe_disable="dedupe")
