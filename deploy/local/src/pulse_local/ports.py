"""Free TCP ports on the loopback interface.

A found port is only a good guess: it is free when asked, and whoever binds it must cope with losing the race.
"""

from __future__ import annotations

import socket

from pulse_local.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on this port now; a port in TIME_WAIT counts as free, as for servers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = LOOPBACK, timeout: float = 0.5) -> bool:
    """Say whether something accepts connections on this port; `timeout` in seconds."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that are free now, chosen by the kernel."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def require_free(port: int, what: str, option: str) -> int:
    """Return the port, or raise PortTakenError naming what wanted it and the option that asked for it."""
    if not is_free(port):
        raise PortTakenError(
            "port_taken",
            f"Port {port} for {what} is taken by another program.",
            f"Leave {option} out to have a free port found, or give another one.",
        )
    return port
