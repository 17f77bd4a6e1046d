"""Task sequences: the document of groups and steps that the service point keeps and the agent carries out.

    {"steps": [{"kind": "command", "name": "Write the disk", "run": "dd if=... of=/dev/vda"},
               {"kind": "group", "name": "Tidy up", "continue_on_error": true, "steps": [...]}]}

`parse` is strict, because what it lets through is later run as root on somebody's disks: an unknown key or kind is a
document of another version or a slip of the pen, and neither may be guessed at. Standard library only: the agent
imports this inside the boot image.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

MAX_DOCUMENT = 1 << 20
"""characters of the JSON text"""
MAX_STEPS = 1000
"""steps and groups together"""
MAX_DEPTH = 8
"""groups within groups"""
MAX_NAME = 100
"""characters"""
MAX_RUN_BYTES = 120_000
"""Linux takes no single argument above 128 KiB (MAX_ARG_STRLEN, execve(2)), and a command line is one argument."""


@dataclass(frozen=True, slots=True)
class CommandStep:
    """One command line for the shell; it succeeds with exit code 0."""

    name: str
    run: str
    continue_on_error: bool = False
    """the sequence goes on after it, whatever its exit code"""


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that belong together: the first failure ends the group and is the group's failure."""

    name: str
    steps: tuple[Step, ...]
    continue_on_error: bool = False
    """a failure ends the group only: the sequence goes on after it"""


Step: TypeAlias = CommandStep | Group


@dataclass(frozen=True, slots=True)
class Sequence:
    """An ordered document of steps and groups, at least one."""

    steps: tuple[Step, ...]


def parse(document: str | bytes | Mapping[str, Any]) -> Sequence:
    """The task sequence in a JSON text, or in the mapping that such a text holds.

    ValueError names the faulty place ("steps[2].steps[0].run: ...") and what would be right.
    """
    if isinstance(document, str | bytes):
        document = _load_json(document)
    sequence = _Parser().sequence(document)
    # A mapping has not been measured yet, and what is taken here must be readable again from its own text.
    _check_size(to_json(sequence))
    return sequence


def parse_toml(text: str) -> Sequence:
    """The same document written as TOML, `[[steps]]` by `[[steps]]`; ValueError as in `parse`."""
    _check_size(text)
    try:
        return parse(tomllib.loads(text))
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


def to_json(sequence: Sequence) -> str:
    """The document as JSON; `parse` gives the same sequence back."""
    return json.dumps({"steps": [_to_mapping(step) for step in sequence.steps]}, ensure_ascii=False)


def _to_mapping(step: Step) -> dict[str, Any]:
    match step:
        case CommandStep():
            body: dict[str, Any] = {"kind": "command", "name": step.name, "run": step.run}
        case Group():
            body = {"kind": "group", "name": step.name, "steps": [_to_mapping(child) for child in step.steps]}
    return body | ({"continue_on_error": True} if step.continue_on_error else {})


def _check_size(text: str | bytes) -> None:
    if len(text) > MAX_DOCUMENT:
        raise ValueError(f"the document is larger than {MAX_DOCUMENT} characters")


def _load_json(text: str | bytes) -> Any:
    _check_size(text)
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # json takes the last of two equal keys in silence; two "run" lines in one step are a mistake to be shown.
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} appears twice in one object")
    return found


class _Parser:
    """Reads one document and counts its steps."""

    def __init__(self) -> None:
        self._count = 0

    def sequence(self, document: Any) -> Sequence:
        fields = _fields(document, "", required={"steps"}, optional=set())
        return Sequence(self._steps(fields["steps"], "steps", depth=0))

    def _steps(self, value: Any, path: str, depth: int) -> tuple[Step, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"{path}: a list of at least one step is needed")
        if depth > MAX_DEPTH:
            raise ValueError(f"{path}: groups are nested deeper than {MAX_DEPTH}")
        return tuple(self._step(item, f"{path}[{index}]", depth) for index, item in enumerate(value))

    def _step(self, value: Any, path: str, depth: int) -> Step:
        self._count += 1
        if self._count > MAX_STEPS:
            raise ValueError(f"{path}: more than {MAX_STEPS} steps")
        kind = value.get("kind") if isinstance(value, dict) else None
        match kind:
            case "command":
                fields = _fields(value, path, {"kind", "name", "run"}, {"continue_on_error"})
                return CommandStep(
                    _name(fields["name"], f"{path}.name"),
                    _command_line(fields["run"], f"{path}.run"),
                    _flag(fields, "continue_on_error", path),
                )
            case "group":
                fields = _fields(value, path, {"kind", "name", "steps"}, {"continue_on_error"})
                return Group(
                    _name(fields["name"], f"{path}.name"),
                    self._steps(fields["steps"], f"{path}.steps", depth + 1),
                    _flag(fields, "continue_on_error", path),
                )
            case _:
                raise ValueError(f'{path}: a table with kind "command" or "group" is needed, not {_shown(value, kind)}')


def _shown(value: Any, kind: Any) -> str:
    if not isinstance(value, dict):
        return type(value).__name__
    return f"kind {kind!r:.40}" if "kind" in value else "one without a kind"


def _fields(value: Any, path: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    prefix = f"{path}: " if path else ""
    if not isinstance(value, Mapping):
        raise ValueError(f"{prefix}a table is needed, not {type(value).__name__}")
    if missing := sorted(required - value.keys()):
        raise ValueError(f"{prefix}{missing[0]} is missing")
    if unknown := sorted(str(key) for key in value.keys() - required - optional):
        raise ValueError(f"{prefix}unknown key {unknown[0]!r:.60}; known are {', '.join(sorted(required | optional))}")
    return dict(value)


def _name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        raise ValueError(f"{path}: one printable line of 1 to {MAX_NAME} characters is needed")
    return value


def _command_line(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{path}: a command line for the shell is needed")
    if "\0" in value:
        raise ValueError(f"{path}: a command line cannot hold a NUL character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{path}: holds half of a surrogate pair, which is no character") from None
    if size > MAX_RUN_BYTES:
        raise ValueError(f"{path}: {size} bytes; a command line has at most {MAX_RUN_BYTES}")
    return value


def _flag(fields: dict[str, Any], key: str, path: str) -> bool:
    value = fields.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{path}.{key}: true or false is needed")
    return value
