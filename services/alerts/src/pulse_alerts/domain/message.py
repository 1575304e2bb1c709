"""The sentence of an alarm: a template with a few named places, and nothing else that a template language can do."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Final

PLACES: Final = ("device", "device_name", "metric", "value", "threshold", "unit", "severity", "rule", "time")
MAX_TEMPLATE_CHARS: Final = 300
MAX_MESSAGE_CHARS: Final = 1_000


def check_template(template: str) -> str:
    """Return the template; raises ValueError when it holds anything but text and known places."""
    if not template.strip() or len(template) > MAX_TEMPLATE_CHARS:
        message = f"a message has 1 to {MAX_TEMPLATE_CHARS} characters"
        raise ValueError(message)
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if name not in PLACES or form or conversion:
            message = f"{{{name}}} is not one of the places {', '.join(f'{{{place}}}' for place in PLACES)}"
            raise ValueError(message)
    return template


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the sentence; a place without a value is empty."""
    parts = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(text)
        if name is not None:
            parts.append(values.get(name, ""))
    return "".join(parts)[:MAX_MESSAGE_CHARS]
