"""The command `pulse-desktop`. Reads its options before anything of the toolkit is loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the program."""
    from pulse_desktop.options import parse

    options = parse(sys.argv[1:])
    from pulse_desktop.app import run

    sys.exit(run(options))


if __name__ == "__main__":
    main()
