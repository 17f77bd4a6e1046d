"""Python expressions that are written down now and made when they are needed.

A `Deferred` stands for a name of a module, or for what is done with others: an attribute, a call, an item, an
operation. Nothing is imported and nothing happens but that it remembers. `written` tells the Python text of all that,
`made` does it, once, so that what was one object in two places is one object in both.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from typing import Any


class Deferred:
    """What `make` makes and `write` writes, each when it is first asked for."""

    __slots__ = ("_made", "_make", "_write", "_written")

    def __init__(self, make: Callable[[], Any], write: Callable[[], str]) -> None:
        self._make = make
        self._write = write
        self._made: Any
        self._written: str | None = None

    def __getattr__(self, name: str) -> Deferred:
        """AttributeError for what Python asks objects and modules for by itself."""
        if name.startswith("_"):
            raise AttributeError(name)
        return Deferred(lambda: getattr(made(self), name), lambda: f"{written(self)}.{name}")

    def __call__(self, *values: Any, **named: Any) -> Deferred:
        return Deferred(
            lambda: made(self)(*made(values), **made(named)),
            lambda: f"{written(self)}({', '.join([*map(written, values), *_assigned(named)])})",
        )

    def __getitem__(self, key: Any) -> Deferred:
        return Deferred(lambda: made(self)[made(key)], lambda: f"{written(self)}[{written(key)}]")

    def __invert__(self) -> Deferred:
        return Deferred(lambda: ~made(self), lambda: f"~{written(self)}")

    def __bool__(self) -> bool:
        raise TypeError(f"whether {written(self)} is true is not known before it is made")

    def __eq__(self, other: object) -> Any:
        return self._with(operator.eq, "==", other)

    def __ne__(self, other: object) -> Any:
        return self._with(operator.ne, "!=", other)

    def __lt__(self, other: Any) -> Deferred:
        return self._with(operator.lt, "<", other)

    def __le__(self, other: Any) -> Deferred:
        return self._with(operator.le, "<=", other)

    def __gt__(self, other: Any) -> Deferred:
        return self._with(operator.gt, ">", other)

    def __ge__(self, other: Any) -> Deferred:
        return self._with(operator.ge, ">=", other)

    def __add__(self, other: Any) -> Deferred:
        return self._with(operator.add, "+", other)

    def __and__(self, other: Any) -> Deferred:
        return self._with(operator.and_, "&", other)

    def __or__(self, other: Any) -> Deferred:
        return self._with(operator.or_, "|", other)

    __hash__ = object.__hash__
    __iter__ = None
    """There are items, and no end of them."""

    def _with(self, operate: Callable[[Any, Any], Any], sign: str, other: Any) -> Deferred:
        return Deferred(lambda: operate(made(self), made(other)), lambda: f"({written(self)} {sign} {written(other)})")


def names_of(module: str) -> Callable[[str], Deferred]:
    """The `__getattr__` (PEP 562) of a module whose names are those of another `module`, which is imported when one of
    them is made."""

    def name_of(name: str) -> Deferred:
        if name.startswith("_"):
            raise AttributeError(name)
        return Deferred(lambda: getattr(importlib.import_module(module), name), lambda: name)

    return name_of


def made(value: Any) -> Any:
    """`value` with all that is deferred in it made: in lists, tuples and dictionaries as well."""
    match value:
        case Deferred():
            if not hasattr(value, "_made"):
                value._made = value._make()
            return value._made
        case list():
            return [made(each) for each in value]
        case tuple():
            return tuple([made(each) for each in value])
        case dict():
            return {key: made(each) for key, each in value.items()}
        case _:
            return value


def written(value: Any) -> str:
    """`value` as Python has it."""
    match value:
        case Deferred():
            if value._written is None:
                value._written = value._write()
            return value._written
        case list():
            return f"[{', '.join(map(written, value))}]"
        case tuple():
            return f"({''.join(f'{written(each)}, ' for each in value)})"
        case dict():
            return f"{{{', '.join(f'{key!r}: {written(each)}' for key, each in value.items())}}}"
        case _:
            return repr(value)


def _assigned(named: dict[str, Any]) -> list[str]:
    return [f"{name}={written(value)}" for name, value in named.items()]
