import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts import topics
from pulse_contracts.ids import CLIENT_ID_PATTERN, ClientId, is_client_id
from pulse_contracts.topics import UplinkKind

CLIENT_IDS = st.from_regex(CLIENT_ID_PATTERN, fullmatch=True)


@pytest.mark.parametrize(
    ("topic", "kind", "client"),
    [
        ("telemetry/DESKTOP-001/live", UplinkKind.LIVE, "DESKTOP-001"),
        ("telemetry/D/buffer", UplinkKind.BUFFER, "D"),
        ("telemetry/D/buffered", UplinkKind.BUFFER, "D"),
        ("heartbeat/D", UplinkKind.HEARTBEAT, "D"),
        ("devices/sensor_01/data", UplinkKind.DEVICE_DATA, "sensor_01"),
        ("app/device/TEST/telemetry", UplinkKind.APP_TELEMETRY, "TEST"),
    ],
)
def test_each_uplink_topic_names_its_client_and_form(topic: str, kind: UplinkKind, client: str) -> None:
    assert topics.parse_uplink(topic) == topics.Uplink(kind, ClientId(client))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "telemetry",
        "telemetry//live",
        "telemetry/a/b/live",
        "telemetry/D/other",
        "telemetry/+/live",
        "$SYS/x",
        "heartbeat/",
        "ack/D",
    ],
)
def test_what_is_no_uplink_is_not_parsed(topic: str) -> None:
    assert topics.parse_uplink(topic) is None


@given(CLIENT_IDS)
def test_builders_and_parser_agree(name: str) -> None:
    client = ClientId(name)
    built = {
        topics.telemetry_live(client): UplinkKind.LIVE,
        topics.telemetry_buffer(client): UplinkKind.BUFFER,
        topics.heartbeat(client): UplinkKind.HEARTBEAT,
        topics.device_data(client): UplinkKind.DEVICE_DATA,
        topics.app_telemetry(client): UplinkKind.APP_TELEMETRY,
    }
    assert {t: topics.parse_uplink(t) for t in built} == {t: topics.Uplink(k, client) for t, k in built.items()}


@given(st.text(max_size=70))
def test_no_client_id_can_reach_into_another_topic(name: str) -> None:
    if is_client_id(name):
        assert not set(name) & set("/+#$\n\x00 ")
