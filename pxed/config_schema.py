"""The schema at work: from a TOML file to a `Config`, or to all its faults in words for the person who wrote it.

The types of the dataclasses in `pxed.config` are followed as they are written there: tables, lists of them, and for one
value bool, int, float, str, Path or Literal, each perhaps with a `Check`. They are taken strictly: text is no number,
and of numbers only a whole one stands for another kind, one with a fraction.
"""

from __future__ import annotations

import difflib
import functools
import json
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, time
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from pxed.config import DEFAULT_LOADERS, Config, InterfaceConfig
from pxed.errors import ConfigError

_KEYS = {"interfaces": "interface"}
"""what the file calls a field otherwise than `Config` does"""

_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text in quotes"),
    Path: ((str,), "text in quotes"),
}
"""type of a field -> what TOML may have for it, and the words for that"""


def read(path: Path) -> Config:
    """As `pxed.config.load`."""
    source = str(path)
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        text = "there is no such file; begin with a copy of the sample config/pxed.toml, or name another with --config"
        raise ConfigError(source, (("", text),)) from None
    except OSError as error:
        raise ConfigError(source, (("", f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(source, (("", f"is not UTF-8 text: byte {error.start}"),)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, (("", f"is not TOML: {error}"),)) from None
    reading = _Reading()
    config: Config = reading.section(Config, data, "")
    faults = reading.faults or list(_contradictions(config))
    if not data.get("interface"):
        faults.append(("interface", 'none is served; add a table [[interface]] with name = "eth0" or the like'))
    if faults:
        raise ConfigError(source, tuple(faults))
    return config


class _Reading:
    """One reading of a file. What a method returns is of no use once there are faults."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []
        """(path of the key, what is wrong and what would be right); lists are counted from 1"""

    def section(self, kind: type, data: object, path: str) -> Any:
        """A table as the dataclass `kind`; what the table lacks has its default."""
        names = {_KEYS.get(name, name): name for name in _hints(kind)}
        before = len(self.faults)
        given = self._table({key: _hints(kind)[name] for key, name in names.items()}, data, path)
        if len(self.faults) == before:
            return self._passed(lambda values: kind(**values), {names[key]: given[key] for key in given}, path)
        return None

    def _table(self, hints: Mapping[str, Any], data: object, path: str) -> dict[str, Any]:
        """The values of a table that may have the keys of `hints`."""
        if not isinstance(data, dict):
            self._wrong(data, "a table", path)
            return {}
        given = {key: self._value(hint, data[key], _below(path, key)) for key, hint in hints.items() if key in data}
        for key in data:
            if key not in hints:
                self.faults.append((_below(path, key), f"is not a key of the configuration; {_advice(key, hints)}"))
        return given

    def _value(self, hint: Any, value: object, path: str) -> Any:
        """A value as its type in the dataclass wants it."""
        origin, inner = get_origin(hint), get_args(hint)
        if origin is Annotated:
            before = len(self.faults)
            taken = self._value(inner[0], value, path)
            return self._passed(inner[1].function, taken, path) if len(self.faults) == before else None
        if origin in {Union, UnionType}:  # with None, which is what a key has that is not there
            return self._value(inner[0], value, path)
        if origin is Literal:
            return value if value in inner else self._wrong(value, _one_of(inner), path)
        if origin is dict:
            return self._table(dict.fromkeys(DEFAULT_LOADERS, inner[1]), value, path)
        if origin is tuple:
            return self._list(inner[0], value, path)
        if is_dataclass(hint):
            return self.section(cast(type, hint), value, path)
        allowed, words = _PLAIN[hint]
        return hint(value) if type(value) in allowed else self._wrong(value, words, path)

    def _list(self, hint: Any, value: object, path: str) -> tuple[Any, ...]:
        if isinstance(value, list):
            return tuple(self._value(hint, each, f"{path} #{number}") for number, each in enumerate(value, start=1))
        tables = f"one or more tables, each under [[{path}]]"
        self._wrong(value, tables if is_dataclass(hint) else "a list in brackets", path)
        return ()

    def _passed(self, function: Callable[[Any], Any], value: object, path: str) -> Any:
        """What `function` makes of a value that has the right type."""
        try:
            return function(value)
        except ValueError as error:
            self.faults.append((path, str(error)))

    def _wrong(self, value: object, words: str, path: str) -> None:
        self.faults.append((path, f"{_toml(value)} is not {words}"))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, with their checks."""
    return get_type_hints(kind, include_extras=True)


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong only if taken together."""
    public, state = config.public_dir, config.service.state_dir
    if state.is_relative_to(public) or public.is_relative_to(config.images_dir):
        yield "tftp.public_dir", f"{public} is readable by anyone and must not hold the key or boot images of {state}"


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _one_of(texts: Sequence[str]) -> str:
    return f"{', '.join(map(repr, texts[:-1]))} or {texts[-1]!r}"


def _advice(key: str, near: Collection[str]) -> str:
    """What may have been meant by an unknown key: a similar one of its table, or the same one of another table."""
    if close := difflib.get_close_matches(key, near, n=len(near)):
        best = [one for one in close if _nearness(key, one) == _nearness(key, close[0])]
        return f"did you mean {' or '.join(map(repr, sorted(best)))}?"
    if homes := [table for table, keys in _tables() if key in keys]:
        return f"it belongs under {' or '.join(homes)}"
    return f"known here: {', '.join(near)}"


def _nearness(typed: str, known: str) -> float:
    return difflib.SequenceMatcher(None, known, typed).ratio()


def _tables() -> Iterator[tuple[str, Collection[str]]]:
    """The tables of the file as one writes them, with their keys."""
    for name, hint in _hints(Config).items():
        if is_dataclass(hint):
            yield f"[{name}]", _hints(cast(type, hint))
    yield "[[interface]]", _hints(InterfaceConfig)
    yield "[loaders]", DEFAULT_LOADERS


def _toml(value: object) -> str:
    """A value much as the file has it."""
    text = str(value) if isinstance(value, date | time) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
