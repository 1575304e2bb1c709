"""The image's health check: exit code 0 while the service in this container says that it can work."""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4.0


def main() -> int:
    """Ask /readyz on this container's own port."""
    connection = HTTPConnection("127.0.0.1", int(os.environ["PULSE_HTTP_PORT"]), timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        sys.stdout.write(answer.read(2048).decode("utf-8", "replace") + "\n")
        return 0 if answer.status == 200 else 1
    except (OSError, HTTPException) as error:
        sys.stdout.write(f"{error!r}\n")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
