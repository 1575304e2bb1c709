"""Every payload that was ever valid parses for ever: a file in `payloads/` may be added, never changed or removed.

A file is named `<contract>.<example>.json`, with the contract's name of `pulse_contracts.export`.
"""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from pulse_contracts import export

PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))


def adapter(contract: str) -> TypeAdapter:
    return export.UNIONS.get(contract) or TypeAdapter(export.MODELS[contract])


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda p: p.stem)
def test_payload_parses_and_keeps_every_value(path: Path) -> None:
    contract = ".".join(path.name.split(".")[:2])
    sent = json.loads(path.read_bytes())

    parsed = adapter(contract).validate_json(path.read_bytes())

    kept = json.loads(parsed.model_dump_json(by_alias=True, exclude_unset=True))
    assert kept == sent


def test_every_contract_has_a_payload() -> None:
    covered = {".".join(path.name.split(".")[:2]) for path in PAYLOADS}
    assert covered >= set(export.MODELS.keys() | export.UNIONS.keys()) - {"enrolment.request"}


def test_committed_schemas_are_what_the_code_says() -> None:
    assert export.drift() == []


REFUSED = {
    "a boolean is no number": (
        "telemetry.single-metric-reading",
        '{"client_id":"c","metric_name":"m","value_numeric":true}',
    ),
    "two values at once": (
        "telemetry.single-metric-reading",
        '{"client_id":"c","metric_name":"m","value_numeric":1,"value_boolean":true}',
    ),
    "no value at all": ("telemetry.single-metric-reading", '{"client_id":"c","metric_name":"m"}'),
    "an infinite number": ("telemetry.app-reading", '{"telemetry":{"t":1e999}}'),
    "not a number": ("telemetry.app-reading", '{"telemetry":{"t":NaN}}'),
    "an integer above int64": ("telemetry.app-reading", '{"telemetry":{"t":9223372036854775808}}'),
    "a nested value": ("telemetry.app-reading", '{"telemetry":{"t":{"deep":1}}}'),
    "a null value": ("telemetry.app-reading", '{"telemetry":{"t":null}}'),
    "NUL in a text": ("telemetry.app-reading", '{"telemetry":{"t":"a\\u0000b"}}'),
    "a text too long": ("telemetry.app-reading", '{"telemetry":{"t":"' + "x" * 257 + '"}}'),
    "no metrics": ("telemetry.app-reading", '{"telemetry":{}}'),
    "a flat reading without metrics": ("telemetry.flat-reading", '{"device_id":"d","api_key":"k"}'),
    "too many metrics": (
        "telemetry.app-reading",
        json.dumps({"telemetry": {f"m{n}": n for n in range(65)}}),
    ),
    "a metric key with a space": ("telemetry.flat-reading", '{"device_id":"d","a b":1}'),
    "a client id with a wildcard": ("telemetry.flat-reading", '{"device_id":"+","t":1}'),
    "a client id with a line feed": ("telemetry.flat-reading", '{"device_id":"d\\n","t":1}'),
    "a run without rows": ("telemetry.buffer-run", '{"v":1,"epoch":1,"first":1,"rows":[]}'),
    "a run of another version": ("telemetry.buffer-run", '{"v":2,"epoch":1,"first":1,"rows":[[1,{"a":1}]]}'),
    "a run from sequence 0": ("telemetry.buffer-run", '{"v":1,"epoch":1,"first":0,"rows":[[1,{"a":1}]]}'),
    "a run past the last sequence": (
        "telemetry.buffer-run",
        '{"v":1,"epoch":1,"first":9223372036854775806,"rows":[[1,{"a":1}],[2,{"a":1}]]}',
    ),
    "a loss range backwards": ("telemetry.loss-declaration", '{"v":1,"epoch":1,"lost":[[5,4,"quota"]]}'),
    "an epoch without a sequence": ("telemetry.desktop-reading", '{"client_id":"c","epoch":1,"metrics":{"a":1}}'),
    "a frame without a type": ("socket.client-frame", '{"id":1}'),
    "a request id of 0": ("socket.client-frame", '{"type":"ping","id":0}'),
    "an interval above a minute": ("socket.client-frame", '{"type":"tune","id":1,"sub":"s","interval_ms":60001}'),
}


@pytest.mark.parametrize(("contract", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_payload_is_refused(contract: str, text: str) -> None:
    with pytest.raises(ValidationError):
        adapter(contract).validate_json(text)
