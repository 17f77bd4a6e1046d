"""Importing computers: the lines of a file compared with the site, and only then written."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pxed.errors import Refused, UsageError
from pxed.site.describe import describe_change
from pxed.site.identifiers import swap_guid
from pxed.site.identity import IdentifierList, ListedIdentifier
from pxed.site.import_file import BadLine, Line
from pxed.site.model import Collection, Computer
from pxed.site.store import Tx

Variables = Mapping[int, Mapping[str, str]]
"""Those of computers, by id."""

_MANY = 1_000
"""new computers: so many may be most of those that there are"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a line changes: `before` is the computer that it overwrites, if there is one."""

    line: Line
    before: Computer | None
    text: str
    """what is different, in words; empty for a new computer and for one that stays as it is"""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do."""

    added: tuple[Change, ...]
    changed: tuple[Change, ...]
    unchanged: tuple[Change, ...]
    bad: tuple[BadLine, ...]
    """by line number"""


def plan_import(
    lines: Sequence[Line],
    bad: Sequence[BadLine],
    existing: Iterable[Computer],
    shared: Iterable[ListedIdentifier] = (),
    variables: Variables | None = None,
) -> ImportPlan:
    """What `lines` would change; `existing` holds every computer that has one of their names or identifiers, `shared`
    the identifiers that no computer may be given, `variables` those of the existing ones."""
    known = _Known(existing, shared)
    sorted_out: dict[str, list[Change]] = {"added": [], "changed": [], "unchanged": []}
    wrong = list(bad)
    overwritten: dict[int, Line] = {}
    for line in lines:
        try:
            before = known.find(line)
        except Refused as error:
            wrong.append(BadLine(line.number, f"{line.name}: {error}"))
            continue
        if before is None:
            sorted_out["added"].append(Change(line, None, ""))
            continue
        if before.id in overwritten:
            earlier = overwritten[before.id].number
            wrong.append(BadLine(line.number, f"{line.name}: is {before.name}, which line {earlier} is already"))
            continue
        overwritten[before.id] = line
        text = _describe(before, line, (variables or {}).get(before.id, {}))
        sorted_out["changed" if text else "unchanged"].append(Change(line, before, text))
    wrong.sort(key=lambda each: each.number)
    return ImportPlan(**{kind: tuple(changes) for kind, changes in sorted_out.items()}, bad=tuple(wrong))


class _Known:
    """The computers that there are, by what they are told by."""

    def __init__(self, existing: Iterable[Computer], shared: Iterable[ListedIdentifier]) -> None:
        self._refused = {each.value: each for each in shared}
        self._by_name: dict[str, Computer] = {}
        self._by_mac: dict[str, Computer] = {}
        self._by_guid: dict[uuid.UUID, Computer] = {}
        for computer in existing:
            self._by_name[computer.name] = computer
            self._by_mac.update(dict.fromkeys(computer.macs, computer))
            if computer.guid:
                self._by_guid[computer.guid] = self._by_guid[swap_guid(computer.guid)] = computer

    def find(self, line: Line) -> Computer | None:
        """The computer that `line` is, if there is one; Refused says why it can be none."""
        refused = self._refused
        found = [self._by_name.get(line.name), *(self._by_mac.get(mac) for mac in line.macs if mac not in refused)]
        if line.guid and not refused.keys() & {str(line.guid), str(swap_guid(line.guid))}:
            found.append(self._by_guid.get(line.guid))
        same = {computer.id: computer for computer in found if computer}
        if len(same) > 1:
            others = ", ".join(sorted(computer.name for computer in same.values()))
            raise Refused(f"belongs to different computers: {others}")
        before = next(iter(same.values()), None)
        given = next((refused[key] for key in _new_identifiers(line, before) if key in refused), None)
        if given:
            raise Refused(f"{given}, so it tells no computer from another")
        return before


def _new_identifiers(line: Line, before: Computer | None) -> Iterator[str]:
    """The identifiers of a line that the computer does not have yet, a GUID in both byte orders."""
    yield from (mac for mac in line.macs if before is None or mac not in before.macs)
    if line.guid and (before is None or before.guid not in {line.guid, swap_guid(line.guid)}):
        yield from (str(line.guid), str(swap_guid(line.guid)))


def _describe(before: Computer, line: Line, variables: Mapping[str, str]) -> str:
    """What `line` changes of a computer, in words; empty if nothing."""
    parts = [text] if (text := describe_change(before, line.name, line.macs, line.guid)) else []
    if line.source and line.source != before.source:
        parts.append(f"source {before.source or 'none'} -> {line.source}")
    for name, value in line.variables.items():
        if variables.get(name) != value:
            parts.append(f"variable {name} {repr(variables[name]) if name in variables else 'none'} -> {value!r}")
    return "; ".join(parts)


def import_computers(
    tx: Tx,
    lines: Sequence[Line],
    bad: Sequence[BadLine] = (),
    *,
    collections: Sequence[Collection] = (),
    skip_bad: bool = False,
    dry_run: bool = False,
) -> ImportPlan:
    """Writes `lines`, and puts all their computers into `collections`; returns what was, or would be, done.

    Nothing is written if a line is bad and bad ones are not to be skipped, or on a dry run.
    """
    existing = tx.same_computers(
        [line.name for line in lines],
        [mac for line in lines for mac in line.macs],
        [line.guid for line in lines if line.guid],
    )
    variables = tx.variables(existing) if any(line.variables for line in lines) else None
    plan = plan_import(lines, bad, existing, tx.listed(IdentifierList.SHARED), variables)
    if dry_run or (plan.bad and not skip_bad):
        return plan
    new = [change.line for change in plan.added]
    written = [*tx.add_computers([(line.name, line.macs, line.guid) for line in new])]
    for line, computer in zip(new, written, strict=True):
        _describe_further(tx, line, computer)
    written += [_overwrite(tx, change.line) for change in plan.changed]
    for home in collections:
        tx.add_members(home.id, [*written, *(change.before for change in plan.unchanged if change.before)])
    if len(new) >= _MANY:
        tx.look_over()
    return plan


def _overwrite(tx: Tx, line: Line) -> Computer:
    with _told_by(line):
        computer = tx.put_computer(line.name, line.macs, line.guid)
    _describe_further(tx, line, computer)
    return computer


def _describe_further(tx: Tx, line: Line, computer: Computer) -> None:
    """What a line says of a computer beside its identity."""
    with _told_by(line):
        if line.source:
            tx.set_source(computer, line.source)
        if line.variables:
            tx.set_variables(computer, line.variables)


@contextmanager
def _told_by(line: Line) -> Iterator[None]:
    try:
        yield
    except (Refused, UsageError) as error:
        raise Refused(f"line {line.number}: {error}; nothing is imported") from error
