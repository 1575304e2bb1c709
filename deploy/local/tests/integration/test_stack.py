"""The supervisor with real servers and stand-in services: what it promises an operator."""

import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

Wait = Callable[..., Any]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pulse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pulse_local", *arguments], capture_output=True, text=True, check=False
    )


def test_up_writes_the_stack_file_for_its_owner_only_and_down_ends_everything(stack) -> None:
    described = stack.up()
    assert set(described) == {"gateway_url", "mqtt", "database_url", "redis_url", "admin", "services"}
    assert set(described["mqtt"]) == {"host", "port", "tls_port", "ca_file"}
    assert set(described["services"]) == {"identity", "ingest", "gateway"}
    assert described["services"]["ingest"]["pid"] == stack.part("ingest")["pid"]
    assert Path(described["mqtt"]["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE")
    assert stat.S_IMODE((stack.data / "stack.json").stat().st_mode) == 0o600
    assert urllib.request.urlopen(described["gateway_url"] + "/readyz").status == 200
    pids = stack.pids()
    assert len(pids) == 6
    assert stack.down() == 0
    assert not [pid for pid in pids if _alive(pid)]
    assert not (stack.data / "stack.json").exists()
    for service in ("identity", "ingest", "gateway"):
        assert (stack.data / "logs" / f"{service}.log").read_text().endswith("drained\n")


@pytest.mark.parametrize("part", ["postgres", "valkey", "mosquitto", "ingest"])
async def test_a_killed_part_comes_back_on_the_same_address(stack, wait_until: Wait, part: str) -> None:
    before = stack.up()
    database = await asyncpg.connect(before["database_url"])
    await database.execute("create table telemetry.kept(x int); insert into telemetry.kept values (42)")
    await database.close()
    pid = stack.part(part)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: stack.part(part)["state"] == "ready" and stack.part(part)["pid"] != pid)
    after = stack.stack()
    assert {**after, "services": None} == {**before, "services": None}
    assert {name: one["url"] for name, one in after["services"].items()} == {
        name: one["url"] for name, one in before["services"].items()
    }
    assert stack.part(part)["restarts"] == 1
    database = await asyncpg.connect(after["database_url"])
    assert await database.fetchval("select x from telemetry.kept") == 42
    await database.close()


def test_a_second_up_says_so_and_is_harmless(stack) -> None:
    described = stack.up()
    again = _pulse("up", "--data", str(stack.data))
    assert again.returncode == 0
    assert described["gateway_url"] in again.stdout
    assert "already runs" in again.stdout
    assert described["admin"]["password"] not in again.stdout + again.stderr
    assert not stack.ended()


def test_leftovers_of_a_killed_supervisor_are_ended_and_the_data_kept(stack, wait_until: Wait) -> None:
    described = stack.up()
    left = stack.pids()
    # A stopped process does not obey the signal that the kernel sends when its parent dies.
    stuck = [stack.part(name)["pid"] for name in ("ingest", "valkey")]
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    stack.supervisor.kill()
    stack.supervisor.wait()
    assert (stack.data / "stack.json").exists()
    after = stack.up()
    assert not [pid for pid in left if _alive(pid)]
    assert after["mqtt"]["port"] == described["mqtt"]["port"]
    assert after["admin"] == described["admin"]
    assert "Ended what an earlier run left behind" in stack.state()["notes"][0]
    assert stack.down() == 0


def test_a_process_that_only_reused_an_id_is_left_alone(stack) -> None:
    stack.up()
    assert stack.down() == 0
    innocent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        path = stack.data / "run" / "state.json"
        text = path.read_text().replace('"pid": null', f'"pid": {innocent.pid}')
        path.write_text(text.replace('"started": null', '"started": 1000000000.5'))
        stack.up()
        assert innocent.poll() is None
    finally:
        innocent.communicate(b"\n")


def test_two_stacks_run_side_by_side(make_stack, wait_until: Wait) -> None:
    one, two = make_stack("one"), make_stack("two")
    one.launch()  # Both choose their ports at the same time.
    second = two.up()
    wait_until(lambda: one.state().get("phase") == "ready" or one.ended())
    first = one.stack()
    addresses = [
        {d["gateway_url"], d["redis_url"], d["database_url"], str(d["mqtt"]["port"]), str(d["mqtt"]["tls_port"])}
        for d in (first, second)
    ]
    assert not addresses[0] & addresses[1]
    assert (one.down(), two.down()) == (0, 0)


def test_a_crash_loop_is_reported_and_the_neighbours_stay_up(stack, wait_until: Wait) -> None:
    stack.up()
    (stack.data / "crash").touch()
    os.kill(stack.part("ingest")["pid"], signal.SIGKILL)
    wait_until(lambda: stack.part("ingest")["state"] == "crash loop", 30)
    assert stack.part("ingest")["detail"] == "ended with code 7"
    assert stack.part("gateway")["state"] == "ready"
    status = _pulse("status", "--data", str(stack.data))
    assert status.returncode == 4
    assert "crash loop" in status.stdout
    (stack.data / "crash").unlink()
    wait_until(lambda: stack.part("ingest")["state"] == "ready")
    assert _pulse("status", "--data", str(stack.data)).returncode == 0


def test_a_service_that_never_starts_fails_the_start_with_its_log(stack) -> None:
    stack.data.mkdir(parents=True)
    (stack.data / "crash").touch()
    stack.launch()
    assert stack.supervisor.wait(60) == 14
    failure = stack.state()["failure"]
    assert failure["code"] == "not_ready"
    assert "crashing as told" in failure["message"]
    assert stack.pids() == []


def test_a_taken_port_is_a_typed_error(stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack.launch("--port", str(taken.getsockname()[1]))
        assert stack.supervisor.wait(60) == 11
    assert stack.state()["failure"]["code"] == "port_taken"


def test_the_data_directory_of_another_version_is_refused_untouched(stack) -> None:
    stack.data.mkdir(parents=True)
    (stack.data / "layout.json").write_text('{"layout": 99}')
    stack.launch()
    assert stack.supervisor.wait(60) == 12
    assert "layout 99" in stack.output()
    assert not (stack.data / "postgres").exists()


def test_a_postgresql_of_another_version_is_refused_untouched(stack) -> None:
    (stack.data / "postgres").mkdir(parents=True)
    (stack.data / "postgres" / "PG_VERSION").write_text("16\n")
    stack.launch()
    assert stack.supervisor.wait(60) == 12
    assert stack.state()["failure"]["code"] == "other_version"
    assert [path.name for path in (stack.data / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_file_in_the_place_of_the_data_directory_is_a_typed_error(stack) -> None:
    stack.data.parent.mkdir(parents=True)
    stack.data.write_text("")
    done = _pulse("up", "--data", str(stack.data))
    assert done.returncode == 12
    assert "data_not_writable" in done.stderr


def test_down_without_a_stack_is_harmless_and_status_says_so(stack) -> None:
    assert _pulse("down", "--data", str(stack.data)).returncode == 0
    assert _pulse("status", "--data", str(stack.data)).returncode == 3


def test_a_deep_data_directory_gets_short_socket_paths(make_stack) -> None:
    deep = make_stack("/".join(["a-directory-with-a-rather-long-name"] * 4))
    described = deep.up()
    sockets = Path(described["database_url"].split("host=")[1])
    assert len(str(sockets)) < 80
    assert deep.down() == 0
    assert not sockets.exists()


def test_a_socket_directory_planted_by_somebody_else_is_refused(make_stack) -> None:
    from pulse_local.data_directory import DataDirectory

    deep = make_stack("/".join(["another-directory-with-a-rather-long-name"] * 4))
    planted = DataDirectory.at(deep.data).sockets
    target = deep.data.parents[4] / "target"
    target.mkdir(parents=True, mode=0o700)
    planted.symlink_to(target)
    try:
        deep.launch()
        assert deep.supervisor.wait(60) == 12
        assert deep.state()["failure"]["code"] == "foreign_sockets"
        assert stat.S_IMODE(target.stat().st_mode) == 0o700
    finally:
        planted.unlink(missing_ok=True)


def test_an_interrupted_start_stops_what_was_started(stack, wait_until: Wait) -> None:
    stack.launch()
    wait_until(lambda: len(stack.state().get("parts", {})) >= 3)
    pids = stack.pids()
    assert stack.down() == 0
    assert not [pid for pid in pids if _alive(pid)]
    stack.up()
