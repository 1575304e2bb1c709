"""The process that `pulse-agent run` becomes: the agent without its command line, which it would carry for nothing.

The command line checks the options, puts those that were given into the environment, and replaces itself by this
program (same process id); what its parser and its tables would keep of the memory, 9 MB of 60, is free for readings.
In place where there is no `exec` worth the name (Windows) or no interpreter to call (a packaged build).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from pulse_agent.configuration.options import AgentOptions

MODULE: Final = "pulse_agent.command_line.process"
ALLOCATION: Final = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_TOP_PAD_": "65536",
}
"""How glibc keeps memory: one pool for all threads, and what is free goes back to the system soon (2 MB)."""
PLUGINS: Final = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""Pydantic would read the metadata of everything that is installed, to find plug-ins of its own."""
NEEDLESS: Final = ("rich", "greenlet", "uvloop", "colorama")
"""Modules that libraries use when they are installed, and that an agent does as well without: 7 MB."""


def become_agent(options: AgentOptions) -> NoReturn:
    """Run the agent of these options in the place of this process."""
    if os.name == "nt" or getattr(sys, "frozen", False):
        from pulse_agent.command_line.run import run_agent

        run_agent(options)
    from pulse_agent.configuration.options import PREFIX

    given = options.model_dump(mode="json", include=options.model_fields_set, exclude_none=True)
    environment = (
        ALLOCATION
        | PLUGINS
        | os.environ
        | {f"{PREFIX}{name.upper()}": _as_text(value) for name, value in given.items()}
    )
    # Without positions within a line, code takes 1 MB less; errors still name the line.
    command = [sys.executable, "-X", "no_debug_ranges", "-m", MODULE]
    os.execve(sys.executable, command, environment)  # noqa: S606 # this program's own interpreter


def main() -> NoReturn:
    """Run the agent that the environment describes; a known error is a sentence and an exit code."""
    for name in NEEDLESS:
        sys.modules[name] = None  # type: ignore[assignment] # Python's way to say "not installed"
    from pydantic import ValidationError

    from pulse_agent.command_line.failures import EXIT_CODES, USAGE, exit_code, option_problem
    from pulse_agent.command_line.run import run_agent
    from pulse_agent.configuration.options import AgentOptions

    try:
        run_agent(AgentOptions.read())
    except ValidationError as error:
        _fail(option_problem(error), USAGE)
    except tuple(EXIT_CODES) as error:
        _fail(str(error), exit_code(error))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"pulse-agent: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
