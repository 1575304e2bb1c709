"""What a configuration value or a command's argument may be: one small language of types, checked on both sides.

A spec can be kept as JSON, shown as a form, and checked by an agent without a schema library.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT_CHARS: Final = 4096
MAX_LIST_ITEMS: Final = 100


class ValueType(StrEnum):
    """The types there are; a boolean is no integer, an integer is a number."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TEXT_LIST = "text_list"


class ValueSpec(BaseModel):
    """One value: its type, bounds and meaning. `minimum` and `maximum` bound numbers, `max_length` texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: ValueType
    description: Annotated[str, Field(max_length=500)] = ""
    default: Any = None
    unit: Annotated[str | None, Field(max_length=32)] = None
    minimum: float | None = None
    maximum: float | None = None
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT_CHARS)] = 256
    choices: Annotated[list[str] | None, Field(min_length=1, max_length=100)] = None
    is_required: bool = False


def value_problem(spec: ValueSpec, value: Any) -> str | None:
    """Say in words why `value` is not what `spec` allows; None when it is."""
    match spec.type:
        case ValueType.BOOLEAN:
            return None if isinstance(value, bool) else "must be true or false"
        case ValueType.INTEGER | ValueType.NUMBER:
            return _number_problem(spec, value)
        case ValueType.TEXT:
            return _text_problem(spec, value)
        case ValueType.TEXT_LIST:
            if not isinstance(value, list) or len(value) > MAX_LIST_ITEMS:
                return f"must be a list of at most {MAX_LIST_ITEMS} texts"
            return next((problem for item in value if (problem := _text_problem(spec, item))), None)


def arguments_problem(specs: dict[str, ValueSpec], arguments: dict[str, Any]) -> tuple[str, str] | None:
    """Return the first wrong argument and why it is wrong; None when all are right."""
    for name in arguments:
        if name not in specs:
            return name, "is not known; there " + (f"are {', '.join(sorted(specs))}" if specs else "are no arguments")
    for name, spec in specs.items():
        if name not in arguments:
            if spec.is_required:
                return name, "is missing"
            continue
        problem = value_problem(spec, arguments[name])
        if problem is not None:
            return name, problem
    return None


def _number_problem(spec: ValueSpec, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "must be a number"
    if spec.type is ValueType.INTEGER and not isinstance(value, int):
        return "must be a whole number"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    unit = f" {spec.unit}" if spec.unit else ""
    if spec.minimum is not None and value < spec.minimum:
        return f"must be at least {spec.minimum:g}{unit}"
    if spec.maximum is not None and value > spec.maximum:
        return f"must be at most {spec.maximum:g}{unit}"
    return None


def _text_problem(spec: ValueSpec, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        return "must not hold NUL or halves of characters"
    if len(value) > spec.max_length:
        return f"must have at most {spec.max_length} characters"
    if spec.choices is not None and value not in spec.choices:
        return f"must be one of {', '.join(spec.choices)}"
    return None
