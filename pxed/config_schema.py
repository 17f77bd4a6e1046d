"""The schema at work: from a TOML file to a `Config`, or to all its faults in words for the person who wrote it."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pxed.config import DEFAULT_LOADERS, Config
from pxed.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SWAPPED = {"interface": "interfaces", "interfaces": "interface"}
"""[[interface]] of the file is `interfaces` in Config; swapped both ways, so that `interfaces` in a file is unknown"""

_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "tuple_type": "a list in brackets",
    "dict_type": "a table",
    "dataclass_type": "a table",
}
"""what pydantic's type errors ask for, in TOML's words"""


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
    config, faults = _validate(data)
    if not data.get("interface"):
        faults.append(("interface", 'none is served; add a table [[interface]] with name = "eth0" or the like'))
    if faults:
        raise ConfigError(source, tuple(faults))
    return config


def _validate(data: Mapping[str, Any]) -> tuple[Config, list[tuple[str, str]]]:
    """The configuration and its faults; with faults, the configuration is the default one and of no use.

    It goes through JSON because pydantic's strict mode then takes a list for a tuple and text for a path, and still no
    text for a number.
    """
    swapped = {_SWAPPED.get(key, key): value for key, value in data.items()}
    if isinstance(loaders := swapped.get("loaders"), dict):
        swapped["loaders"] = DEFAULT_LOADERS | loaders
    try:
        config = TypeAdapter(Config).validate_json(json.dumps(swapped, default=str), strict=True)
    except ValidationError as error:
        return Config(), [_fault(details) for details in error.errors()]
    return config, list(_contradictions(config))


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong only if taken together."""
    public, state = config.public_dir, config.service.state_dir
    if state.is_relative_to(public) or public.is_relative_to(config.images_dir):
        yield "tftp.public_dir", f"{public} is readable by anyone and must not hold the key or boot images of {state}"


def _fault(details: ErrorDetails) -> tuple[str, str]:
    """One of pydantic's errors as (key path, what is wrong and what would be right). Lists are counted from 1."""
    *above, last = (part for part in details["loc"] if part != "[key]")
    parts = [_SWAPPED.get(str(part), str(part)) if not index else part for index, part in enumerate([*above, last])]
    key = "".join(f" #{part + 1}" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    kind, given = details["type"], details["input"]
    if kind == "unexpected_keyword_argument" or details["loc"][-1] == "[key]":
        return key, "is not a key of the configuration" + _hint([str(part) for part in parts])
    if kind == "value_error":
        return key, str(details["ctx"]["error"])
    if kind == "literal_error":
        return key, f"{_toml(given)} is not {details['ctx']['expected']}"
    wanted = "one or more tables, each under [[interface]]" if key == "interface" else _TYPES.get(kind, details["msg"])
    return key, f"{_toml(given)} is not {wanted}"


def _hint(path: list[str]) -> str:
    """What may have been meant by an unknown key: a similar one of its table, or the same one of another table."""
    *above, key = path
    near = _keys(above[0] if above else "")
    if close := difflib.get_close_matches(key, near, n=1):
        return f"; did you mean {close[0]!r}?"
    tables = [field.name for field in fields(Config)]
    if homes := [f"[{table}]" for table in tables if key in _keys(table)]:
        return f"; it belongs under {' or '.join(homes)}"
    return f"; known here: {', '.join(near)}"


def _keys(table: str) -> list[str]:
    """The keys of a table of the file; of the file itself for the empty name."""
    if table == "loaders":
        return list(DEFAULT_LOADERS)
    if not table:
        return [_SWAPPED.get(field.name, field.name) for field in fields(Config)]
    if table in {"interface", "interfaces"}:
        return ["name", "mac"]
    section = get_type_hints(Config).get(table)
    return [field.name for field in fields(section)] if section else []


def _toml(value: object) -> str:
    """A value much as the file has it."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
