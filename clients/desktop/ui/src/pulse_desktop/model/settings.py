"""Settings as they are typed in: from text to value and back, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any, Final

from pulse_contracts.value_specs import ValueSpec, ValueType, value_problem
from pulse_desktop.texts.catalogue import Texts

_WORDS_OF_TRUE: Final = frozenset({"true", "1"})


def as_text(spec: ValueSpec, value: Any) -> str:
    """Return a value as it stands in its field."""
    if value is None:
        return ""
    match spec.type:
        case ValueType.TEXT_LIST:
            return "; ".join(str(item) for item in value)
        case ValueType.BOOLEAN:
            return "true" if value else "false"
        case ValueType.NUMBER:
            return f"{value:g}"
        case _:
            return str(value)


def from_text(spec: ValueSpec, text: str) -> Any:
    """Return the value that a text means. Raises ValueError when it means none of the type."""
    stripped = text.strip()
    match spec.type:
        case ValueType.INTEGER:
            return int(stripped)
        case ValueType.NUMBER:
            return float(stripped.replace(",", "."))
        case ValueType.BOOLEAN:
            return stripped.lower() in _WORDS_OF_TRUE
        case ValueType.TEXT_LIST:
            return [item.strip() for item in stripped.split(";") if item.strip()]
        case _:
            return stripped


def text_problem(spec: ValueSpec, text: str, texts: Texts) -> str:
    """Say what is wrong with what was typed; empty when nothing is."""
    words = texts.settings
    try:
        value = from_text(spec, text)
    except ValueError:
        return words.whole_number if spec.type is ValueType.INTEGER else words.number
    problem = value_problem(spec, value)
    if problem is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bounds_text(spec, texts) or problem
    if isinstance(value, str) and len(value) > spec.max_length:
        return words.too_long.format(count=spec.max_length)
    return texts.agents_words(problem, words.bad_value)


def bounds_text(spec: ValueSpec, texts: Texts) -> str:
    """Say between which numbers a value lies; empty when there are no bounds."""
    words = texts.settings
    low = None if spec.minimum is None else _bound(spec, spec.minimum, texts)
    high = None if spec.maximum is None else _bound(spec, spec.maximum, texts)
    if low and high:
        return words.between.format(low=low, high=high)
    if low:
        return words.at_least.format(low=low)
    return words.at_most.format(high=high) if high else ""


def hint_text(key: str, spec: ValueSpec, texts: Texts) -> str:
    """Say what may be typed, and what it means where the name alone does not tell; empty when there is nothing to say."""
    return " ".join(part for part in (bounds_text(spec, texts), texts.settings.meanings.get(key, "")) if part)


def amount_text(spec: ValueSpec, value: Any, texts: Texts) -> str:
    """Say a large amount in a larger unit: `1.1 GB`, `2 d`; empty where that says nothing new."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        return ""
    match spec.unit:
        case "bytes":
            return texts.format.bytes(value)
        case "s" if value >= 60:
            return texts.format.duration(value)
        case "ms" if value >= 1000:
            return texts.format.duration(value / 1000)
        case _:
            return ""


def _bound(spec: ValueSpec, value: float, texts: Texts) -> str:
    unit = f" {unit_word(spec, texts)}" if spec.unit else ""
    return amount_text(spec, value, texts) or f"{texts.format.number(value)}{unit}"


def unit_word(spec: ValueSpec, texts: Texts) -> str:
    """Return a setting's unit in the language of the texts; empty where it has none."""
    return texts.settings.units.get(spec.unit or "", spec.unit or "")


def shown_value(value: Any, texts: Texts) -> str:
    """Return any JSON value as a person reads it, in one line."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return texts.general.yes if value else texts.general.no
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "—"
    return json.dumps(value, ensure_ascii=False)
