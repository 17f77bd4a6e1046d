"""Computers from a CSV file: read, compared with the site, and only then written.

One computer a line, `name,guid,mac`; GUID or MAC may be empty, not both; several MAC addresses stand in one field,
separated by spaces, `;` or `|`. UTF-8, with or without byte order mark, any line ends, fields quoted or not. Empty
lines and lines that begin with `#` are passed over.
"""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pxed.errors import UsageError
from pxed.site.describe import describe_change
from pxed.site.identifiers import parse_guid, swap_guid
from pxed.site.model import Collection, Computer, IdentifierList, ListedIdentifier
from pxed.site.names import check_identity
from pxed.site.store import Tx

_SEPARATORS = re.compile(r"[\s;|]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A computer as the file has it."""

    number: int
    """1 for the first line of the file"""
    name: str
    macs: tuple[str, ...]
    guid: uuid.UUID | None

    def claims(self) -> Iterable[str]:
        """All that no other line may have: the name, the MAC addresses, the GUID in one order for both."""
        yield f"name {self.name}"
        yield from (f"MAC address {mac}" for mac in self.macs)
        if self.guid:
            yield f"GUID {min(self.guid, swap_guid(self.guid))}"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be imported."""

    number: int
    reason: str


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


def read_computers(data: bytes, *, header: bool = False) -> tuple[list[Line], list[BadLine]]:
    """The lines of a file and those that are wrong in themselves or repeat what an earlier line has.

    `header`: the first line names the columns and is passed over.
    """
    lines: list[Line] = []
    bad: list[BadLine] = []
    seen: dict[str, int] = {}
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not raw.strip() or raw.startswith(b"#"):
            continue
        if header:
            header = False
            continue
        try:
            line = _read_line(number, raw)
            earlier = next(((key, seen[key]) for key in line.claims() if key in seen), None)
            if earlier:
                raise UsageError("the {} is in line {} already".format(*earlier))
        except (UsageError, ValueError, csv.Error) as error:
            bad.append(BadLine(number, str(error)))
            continue
        seen.update(dict.fromkeys(line.claims(), number))
        lines.append(line)
    return lines, bad


def _read_line(number: int, raw: bytes) -> Line:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text") from None
    # one line at a time: names hold no line ends, and a stray quote must not swallow the lines that follow
    fields = [field.strip() for field in next(csv.reader([text], strict=True))]
    if len(fields) != 3:
        raise UsageError(f"has {len(fields)} fields; three are needed: name,guid,mac")
    if [field.lower() for field in fields] == ["name", "guid", "mac"]:
        raise UsageError("names the columns; with --header the first line is passed over")
    name, guid, macs = fields
    return Line(
        number,
        *check_identity(name, [mac for mac in _SEPARATORS.split(macs) if mac], parse_guid(guid) if guid else None),
    )


def plan_import(
    lines: Sequence[Line],
    bad: Sequence[BadLine],
    existing: Iterable[Computer],
    shared: Iterable[ListedIdentifier] = (),
) -> ImportPlan:
    """What `lines` would change; `existing` holds every computer that has one of their names or identifiers, `shared`
    the identifiers that no computer may be given."""
    refused = {each.value: each for each in shared}
    by_name: dict[str, Computer] = {}
    by_mac: dict[str, Computer] = {}
    by_guid: dict[uuid.UUID, Computer] = {}
    for computer in existing:
        by_name[computer.name] = computer
        by_mac.update(dict.fromkeys(computer.macs, computer))
        if computer.guid:
            by_guid[computer.guid] = by_guid[swap_guid(computer.guid)] = computer
    sorted_out: dict[str, list[Change]] = {"added": [], "changed": [], "unchanged": []}
    wrong = list(bad)
    overwritten: dict[int, Line] = {}
    for line in lines:
        found = [by_name.get(line.name), *(by_mac.get(mac) for mac in line.macs if mac not in refused)]
        if line.guid and not refused.keys() & {str(line.guid), str(swap_guid(line.guid))}:
            found.append(by_guid.get(line.guid))
        same = {computer.id: computer for computer in found if computer}
        if len(same) > 1:
            others = ", ".join(sorted(computer.name for computer in same.values()))
            wrong.append(BadLine(line.number, f"{line.name}: belongs to different computers: {others}"))
            continue
        before = next(iter(same.values()), None)
        given = next((refused[key] for key in _new_identifiers(line, before) if key in refused), None)
        if given:
            wrong.append(BadLine(line.number, f"{line.name}: {given}, so it tells no computer from another"))
            continue
        if before is None:
            sorted_out["added"].append(Change(line, None, ""))
            continue
        if before.id in overwritten:
            earlier = overwritten[before.id].number
            wrong.append(BadLine(line.number, f"{line.name}: is {before.name}, which line {earlier} is already"))
            continue
        overwritten[before.id] = line
        text = describe_change(before, line.name, line.macs, line.guid)
        sorted_out["changed" if text else "unchanged"].append(Change(line, before, text))
    wrong.sort(key=lambda each: each.number)
    return ImportPlan(**{kind: tuple(changes) for kind, changes in sorted_out.items()}, bad=tuple(wrong))


def _new_identifiers(line: Line, before: Computer | None) -> Iterator[str]:
    """The identifiers of a line that the computer does not have yet, a GUID in both byte orders."""
    yield from (mac for mac in line.macs if before is None or mac not in before.macs)
    if line.guid and (before is None or before.guid not in {line.guid, swap_guid(line.guid)}):
        yield from (str(line.guid), str(swap_guid(line.guid)))


def import_computers(
    tx: Tx,
    lines: Sequence[Line],
    bad: Sequence[BadLine] = (),
    *,
    collection: Collection | None = None,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> ImportPlan:
    """Writes `lines`, and puts all their computers into `collection`; returns what was, or would be, done.

    Nothing is written if a line is bad and bad ones are not to be skipped, or on a dry run.
    """
    existing = tx.same_computers(
        [line.name for line in lines],
        [mac for line in lines for mac in line.macs],
        [line.guid for line in lines if line.guid],
    )
    plan = plan_import(lines, bad, existing, tx.listed(IdentifierList.SHARED))
    if dry_run or (plan.bad and not skip_bad):
        return plan
    lines_to_write = [change.line for change in (*plan.added, *plan.changed)]
    written = [tx.put_computer(line.name, line.macs, line.guid) for line in lines_to_write]
    if collection:
        tx.add_members(collection.id, [*written, *(change.before for change in plan.unchanged if change.before)])
    return plan
