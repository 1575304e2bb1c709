"""A stack of stand-in services: as a script, the supervisor with them; as `-m stand_in_stack serve`, one of them."""

import http.server
import os
import signal
import sys
import threading
from pathlib import Path

CRASH_FILE = Path("crash")  # Relative to the data directory: while it exists, ingest ends at once.


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


def _serve() -> None:
    if CRASH_FILE.exists() and os.environ["STAND_IN"] == "ingest":
        print("crashing as told", file=sys.stderr)
        sys.exit(7)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PULSE_HTTP_PORT"])), _Answer)

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever()
    server.server_close()
    print("drained", flush=True)


def _supervise() -> int:
    from pulse_local.services import Service
    from pulse_local.supervisor.__main__ import main

    def environment(name: str):
        return lambda _plan: {"STAND_IN": name, "PYTHONPATH": str(Path(__file__).parent)}

    services = tuple(
        Service(name, "stand_in_stack", f"pulse_{name}", environment(name))
        for name in ("identity", "ingest", "gateway")
    )
    return main(sys.argv[1:], services)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            _serve()
        case ["migrate"]:
            print("migrated")
        case _:
            sys.exit(_supervise())
