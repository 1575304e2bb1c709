"""The fast decoders accept and refuse exactly what the Pydantic contracts do, and keep the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import pulse_contracts
from pulse_contracts import telemetry
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import (
    AppReading,
    BufferRun,
    DesktopReading,
    FlatReading,
    LossDeclaration,
    SingleMetricReading,
)
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.reading import Losses, PlainReading, Run
from pulse_ingest.messaging.decoding.compact_run import sound_run
from pulse_ingest.messaging.decoding.payloads import decode_payload

RECEIVED = 1_790_000_000_000_000
PAYLOADS = Path(pulse_contracts.__file__).parents[2] / "tests" / "contract" / "payloads"
FORMS: dict[str, tuple[str, type[BaseModel]]] = {
    "desktop-reading": ("live", DesktopReading),
    "single-metric-reading": ("live", SingleMetricReading),
    "flat-reading": ("device_data", FlatReading),
    "app-reading": ("app_telemetry", AppReading),
    "buffer-run": ("buffer", BufferRun),
    "loss-declaration": ("buffer", LossDeclaration),
}


def accepted_by_contract(model: type[BaseModel], payload: bytes) -> BaseModel | None:
    try:
        return model.model_validate_json(payload)
    except ValidationError:
        return None


def is_accepted(decoded: Any) -> bool:
    return not isinstance(decoded, Refusal) and not (isinstance(decoded, Run) and decoded.refused)


def assert_same_verdict(name: str, payload: bytes) -> None:
    form, model = FORMS[name]
    contract = accepted_by_contract(model, payload)
    decoded = decode_payload(form, payload, RECEIVED)
    # Once more with every name of a metric known: the shortest way says the same.
    assert repr(in_tuples(decode_payload(form, payload, RECEIVED))) == repr(in_tuples(decoded))
    if contract is not None and isinstance(decoded, Refusal):
        # The one rule that the contracts state in words only: the text of a timestamp is ISO 8601.
        assert decoded.code is RejectionCode.BAD_TIMESTAMP, (payload, decoded)
        assert isinstance(getattr(contract, "timestamp", None), str)
        return
    assert is_accepted(decoded) == (contract is not None), (payload, decoded, contract)
    if contract is not None:
        assert_same_values(contract, decoded)


def in_tuples(decoded: Any) -> Any:
    if not isinstance(decoded, Run):
        return decoded
    return replace(decoded, parts=[(first, [(at, metrics) for at, metrics in rows]) for first, rows in decoded.parts])


def assert_same_values(contract: Any, decoded: Any) -> None:
    if isinstance(contract, BufferRun):
        assert isinstance(decoded, Run)
        rows = [(number + place, *row) for number, rows in decoded.parts for place, row in enumerate(rows)]
        assert [first for first, _, _ in rows] == list(range(contract.first, contract.first + len(contract.rows)))
        assert [metrics for _, _, metrics in rows] == [metrics for _, metrics in contract.rows]
    elif isinstance(contract, LossDeclaration):
        assert isinstance(decoded, Losses)
        assert [entry[:2] for entry in decoded.lost] == [entry[:2] for entry in contract.lost]
    else:
        metrics = decoded.metrics if isinstance(decoded, PlainReading) else decoded.parts[0][1][0][1]
        assert metrics == contract_metrics(contract)
        assert all(type(metrics[key]) is type(value) for key, value in contract_metrics(contract).items())
        assert decoded.api_key == contract.api_key


def contract_metrics(contract: Any) -> dict[str, Any]:
    if isinstance(contract, DesktopReading):
        return contract.metrics
    if isinstance(contract, AppReading):
        return contract.telemetry
    if isinstance(contract, FlatReading):
        return contract.__pydantic_extra__
    values = (contract.value_numeric, contract.value_boolean, contract.value_text)
    return {contract.metric_name: next(value for value in values if value is not None)}


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("telemetry.*.json")), ids=lambda path: path.stem)
def test_every_payload_of_the_contracts_is_decoded(path: Path) -> None:
    name = path.name.split(".")[1]
    assert accepted_by_contract(FORMS[name][1], path.read_bytes()) is not None
    assert_same_verdict(name, path.read_bytes())


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 2, 2**63 - 1, 2**63, 2**64, -(2**63),
    -(2**63) - 1, 1e308, float("inf"), float("nan"), "", "a", "x" * 64, "x" * 65, "x" * 256, "x" * 257, "a\x00b", "é" * 256,
    "😀", "\ud800", "a b", "a/b.c:d_-", "2026-02-07T10:15:30Z", "2026-02-07", "yesterday", [], {}, [1], {"a": 1}, [[]],
    [[1, {"a": 1}]], [[1, {"a": 1}], [2, {}]], [[1.0, {"a": 1}]], [[1, {"a": None}]], [[1, {"a": 1}, 3]], [[1, 2, "quota"]],
    [[2, 1, "quota"]], [[1, 1, ""]], [[1, 1, "x" * 33]], [[1, True, "x"]],
]  # fmt: skip
odd = st.sampled_from(ODD)
scalar = st.one_of(odd, st.integers(), st.floats(), st.text(max_size=8), st.booleans())
metric_key = st.one_of(st.sampled_from(["a", "temp", "x" * 64, "x" * 65, "", "a b", "é", "a\n"]), st.text(max_size=4))
metrics = st.one_of(odd, st.dictionaries(metric_key, scalar, max_size=4))
ids = st.sampled_from(["D", "DESKTOP-001", "a b", "", "x" * 64, "x" * 65, "d\n", 5, None, "a/b"])


def documents(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    extra = {"unknown": odd}
    return st.fixed_dictionaries(required, optional=optional | extra)


common = {"timestamp": odd, "sequence_no": odd, "api_key": odd}
row = st.one_of(odd, st.tuples(st.one_of(odd, st.integers()), metrics))
STRATEGIES = {
    "desktop-reading": documents({"client_id": ids, "metrics": metrics}, common | {"epoch": odd, "source": odd}),
    "single-metric-reading": documents(
        {"client_id": ids, "metric_name": st.one_of(odd, metric_key)},
        common | {"value_numeric": scalar, "value_boolean": scalar, "value_text": scalar},
    ),
    "flat-reading": st.builds(
        lambda base, more: more | base,
        documents({"device_id": ids}, common | {"a": scalar}),
        st.dictionaries(metric_key, scalar, max_size=3),
    ),
    "app-reading": documents({"telemetry": metrics}, common | {"device_id": ids}),
    "buffer-run": documents(
        {"v": st.sampled_from([1, 1, 1, 1.0, True, 2, "1"]), "rows": st.one_of(odd, st.lists(row, max_size=3))},
        {"epoch": st.one_of(st.just(1), odd), "first": st.one_of(st.just(7), odd)},
    ),
    "loss-declaration": documents(
        {"v": st.sampled_from([1, 1, 1, 2]), "lost": odd}, {"epoch": st.one_of(st.just(1), odd)}
    ),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_decoder_and_contract_agree_on_odd_documents(name: str) -> None:
    @given(STRATEGIES[name])
    def agree(document: dict[str, Any]) -> None:
        assert_same_verdict(name, json.dumps(document).encode())

    agree()


@pytest.mark.parametrize("name", FORMS)
@given(payload=st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)))
def test_decoder_and_contract_agree_on_noise(name: str, payload: bytes) -> None:
    assert_same_verdict(name, payload)


DEEP = {
    depth: '{"telemetry":{"t":1},"deep":' + "[" * depth + "]" * depth + "}"
    for depth in (1, 100, 198, 199, 200, 201, 5000)
}


@pytest.mark.parametrize("depth", DEEP)
def test_decoder_and_contract_agree_on_depth(depth: int) -> None:
    assert_same_verdict("app-reading", DEEP[depth].encode())


def test_metrics_of_a_reading_are_bounded_like_in_the_contract() -> None:
    for count in (0, 1, 64, 65):
        payload = json.dumps({"telemetry": {f"m{number}": number for number in range(count)}}).encode()
        assert_same_verdict("app-reading", payload)


def test_rows_of_a_run_are_bounded_like_in_the_contract() -> None:
    for count in (1, telemetry.MAX_RUN_ROWS, telemetry.MAX_RUN_ROWS + 1):
        rows = [[RECEIVED, {"a": 1}]] * count
        assert_same_verdict("buffer-run", json.dumps({"v": 1, "epoch": 1, "first": 1, "rows": rows}).encode())


def test_bad_row_is_refused_alone_and_its_neighbours_are_kept() -> None:
    payload = (
        b'{"v":1,"epoch":2,"first":10,"rows":[[1,{"a":1}],[2,{"a":NaN}],[3,{"a":"\\ud800"}],[4,{"a":2}],[5,{"a":3}]]}'
    )

    run = decode_payload("buffer", payload, RECEIVED)

    assert isinstance(run, Run)
    assert run.parts == [(10, [(1, {"a": 1})]), (13, [(4, {"a": 2}), (5, {"a": 3})])]
    assert run.refused is not None
    assert [(row.sequence_no, row.refusal.code) for row in run.refused] == [
        (11, RejectionCode.BAD_VALUE),
        (12, RejectionCode.BAD_VALUE),
    ]


REFUSALS = {
    RejectionCode.NOT_UTF8: ("live", b'{"client_id":"D","metrics":{"a":"\xff"}}'),
    RejectionCode.NOT_JSON: ("live", b"{"),
    RejectionCode.BAD_SHAPE: ("live", b'{"hello":1}'),
    RejectionCode.BAD_VALUE: ("live", b'{"client_id":"D","metrics":{"a":null}}'),
    RejectionCode.BAD_METRIC_KEY: ("live", b'{"client_id":"D","metrics":{"a b":1}}'),
    RejectionCode.BAD_TIMESTAMP: ("live", b'{"client_id":"D","metrics":{"a":1},"timestamp":"yesterday"}'),
    RejectionCode.BAD_SEQUENCE: ("live", b'{"client_id":"D","metrics":{"a":1},"sequence_no":-1}'),
    RejectionCode.TOO_LARGE: ("live", b" " * (telemetry.MAX_MESSAGE_BYTES + 1)),
    RejectionCode.TOO_DEEP: ("live", b'{"client_id":"D","metrics":{"a":1},"deep":' + b"[" * 300 + b"]" * 300 + b"}"),
    RejectionCode.NO_METRICS: ("live", b'{"client_id":"D","metrics":{}}'),
    RejectionCode.TOO_MANY_METRICS: (
        "live",
        json.dumps({"client_id": "D", "metrics": {f"m{number}": 1 for number in range(65)}}).encode(),
    ),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refusal_has_its_own_code(code: RejectionCode) -> None:
    decoded = decode_payload(*REFUSALS[code], RECEIVED)
    assert isinstance(decoded, Refusal)
    assert decoded.code is code


def test_short_way_takes_what_is_ordinary_and_nothing_else() -> None:
    def run(value: str, at: int = 5) -> bytes:
        return f'{{"v":1,"epoch":1,"first":7,"rows":[[{at},{{"known":{value}}}]]}}'.encode()

    assert decode_payload("buffer", run("1"), RECEIVED) == Run(1, [(7, [(5, {"known": 1})])])
    for value in ("1", "1.5", "true", '"x"', '"😀"', str(2**63 - 1)):
        assert sound_run(run(value)) == Run(1, [(7, [(5, {"known": json.loads(value)})])])
    for value in (str(2**63), "1e999", '"\\u0000"', '"\\ud800"', "null", "[1]", f'"{"x" * 257}"'):
        assert sound_run(run(value)) is None
    assert sound_run(run("1").replace(b"known", b"never seen before")) is None
    assert sound_run(run("1").replace(b'"v":1,', b'"v":1,"more":2,')) is None
    assert sound_run(run("1", at=-(2**62))) is None
