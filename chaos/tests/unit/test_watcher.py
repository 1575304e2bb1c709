"""What a run's socket client makes of the frames that it hears."""

from pathlib import Path

from pulse_chaos.crowd import Crowd
from pulse_chaos.timeline import Timeline, Watcher
from pulse_contracts.frames import DataFrame, GapFrame, GapReason
from pulse_simulator.embedded_stack import EmbeddedStack
from pulse_simulator.gateway_session import GatewaySession


def watcher(tmp_path: Path) -> Watcher:
    stack = EmbeddedStack({"gateway_url": "http://127.0.0.1:1"}, tmp_path)
    crowd = Crowd(stack, tmp_path / "crowd", "r001", 1, 1.0)
    return Watcher(stack, GatewaySession(stack.gateway_url, "admin", ""), crowd, Timeline())


def test_a_clock_set_back_two_hours_is_heard_of_as_late_spans(tmp_path: Path) -> None:
    """What is more than a minute old when it arrives is no live row; that looked like a socket that hears nothing."""
    heard = watcher(tmp_path)
    heard.take(GapFrame(sub="raw", reason=GapReason.LATE, from_ts=1, to_ts=2, device_ids=["r001-agent-0001"], count=5))
    assert (heard.frames, heard.late_spans) == (0, 1)


def test_rows_are_frames_and_other_gaps_are_nothing(tmp_path: Path) -> None:
    heard = watcher(tmp_path)
    heard.take(GapFrame(sub="raw", reason=GapReason.SLOW, from_ts=1, to_ts=2))
    heard.take(DataFrame(sub="raw", offset="1-1", rows=[["r001-agent-0001", "level", 1, 2.0, "good"]], n=1))
    assert (heard.frames, heard.late_spans) == (1, 0)
