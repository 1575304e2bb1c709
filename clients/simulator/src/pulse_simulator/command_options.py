"""Options of a command as one frozen dataclass instead of a function with twenty parameters.

Each field is annotated as Typer wants it; the command gets one object that can be checked, passed on and built in
tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")


def with_options(model: Callable[..., Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Turn a function of one options object into a function that Typer can make a command of."""

    def decorate(run: Callable[[Options], None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            run(model(**given))

        hints = get_type_hints(model, include_extras=True)
        parameters = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(model).parameters.values()
        ]
        command.__name__ = run.__name__
        command.__doc__ = run.__doc__
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate
