"""What a page's fences say, and the comments that stand right before them.

- `<!-- not run: reason -->`: it cannot run everywhere (a container engine, another operating system, a person at a screen);
- `<!-- prints: text -->`: what it writes must contain this text;
- `<!-- run last -->`: it stops the stack, so it runs after all pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>\S*)")
COMMENT = re.compile(r"^ *<!-- (?P<what>not run|prints|run last)(?:: (?P<text>.+?))? -->$")


@dataclass(frozen=True)
class Block:
    """One fence."""

    page: Path
    line: int
    info: str
    text: str
    not_run: str | None = None
    prints: str | None = None
    is_last: bool = False

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Read the fences of a page, each with the comments right before it."""
    lines = page.read_text(encoding="utf-8").splitlines()
    said: dict[str, str | None] = {}
    inside: tuple[int, str, str, str] | None = None
    text: list[str] = []
    for number, line in enumerate(lines, 1):
        if inside is not None:
            start, indent, ticks, info = inside
            if line.strip() == ticks:
                yield Block(
                    page, start, info, "\n".join(text), said.get("not run"), said.get("prints"), "run last" in said
                )
                inside, text, said = None, [], {}
            else:
                text.append(line.removeprefix(indent))
        elif fence := FENCE.match(line):
            inside = (number, fence["indent"], fence["ticks"], fence["info"])
        elif comment := COMMENT.match(line):
            said[comment["what"]] = comment["text"]
        elif line.strip():
            said = {}
    assert inside is None, f"{page}: a fence is not closed"
