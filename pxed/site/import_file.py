"""A CSV file of computers, read line by line; what is wrong in itself is told with its line number.

One computer a line. UTF-8, with or without byte order mark, any line ends, fields quoted or not. Empty lines and lines
that begin with `#` are passed over. What its fields mean is said by columns:

| column | field |
|---|---|
| `name` | the computer's name; has to be there |
| `guid` | its SMBIOS GUID, or empty |
| `mac` | its MAC addresses, separated by spaces, `;` or `|`, or empty; there may be several such columns |
| `source` | name of the computer that it replaces; an empty field says nothing |
| `variable:NAME` | value of that variable; an empty field says nothing |
| `ignore` | passed over |
"""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pxed.errors import UsageError
from pxed.site.identifiers import parse_guid, swap_guid
from pxed.site.names import check_identity, check_name, check_variable

_SEPARATORS = re.compile(r"[\s;|]+")
_VARIABLE = "variable:"
_PLAIN = ("name", "guid", "mac", "source", "ignore")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the fields of a line mean, by their places."""

    titles: tuple[str, ...]
    name: int
    guid: int | None
    macs: tuple[int, ...]
    source: int | None
    variables: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A computer as the file has it."""

    number: int
    """1 for the first line of the file"""
    name: str
    macs: tuple[str, ...]
    guid: uuid.UUID | None
    source: str = ""
    """the computer that it replaces; empty if the file does not say"""
    variables: Mapping[str, str] = field(default_factory=dict)

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


def parse_columns(text: str) -> Columns:
    """`text` as `name,guid,mac,ignore,variable:Site`; UsageError says what is wrong."""
    titles = tuple(title.strip() for title in text.split(","))
    for title in titles:
        if title.startswith(_VARIABLE):
            check_variable(title.removeprefix(_VARIABLE), "")
        elif title not in _PLAIN:
            raise UsageError(f"there is no column {title!r}; there are {', '.join(_PLAIN)}, {_VARIABLE}NAME")
        if title not in {"mac", "ignore"} and titles.count(title) > 1:
            raise UsageError(f"the column {title} is there twice")
    if "name" not in titles or not {"guid", "mac"} & set(titles):
        raise UsageError("a column `name` and a column `guid` or `mac` are needed")
    return Columns(
        titles,
        titles.index("name"),
        titles.index("guid") if "guid" in titles else None,
        tuple(place for place, title in enumerate(titles) if title == "mac"),
        titles.index("source") if "source" in titles else None,
        tuple((at, title.removeprefix(_VARIABLE)) for at, title in enumerate(titles) if title.startswith(_VARIABLE)),
    )


USUAL = parse_columns("name,guid,mac")


def read_computers(data: bytes, *, header: bool = False, columns: Columns = USUAL) -> tuple[list[Line], list[BadLine]]:
    """The lines of a file and those that are wrong in themselves or repeat what an earlier line has.

    `header`: the first line names the columns and is passed over.
    """
    lines: list[Line] = []
    bad: list[BadLine] = []
    seen: dict[str, int] = {}
    for number, raw in computer_lines(data):
        if header:
            header = False
            continue
        try:
            line = _line(number, _fields(raw, columns.titles), columns)
            earlier = next(((key, seen[key]) for key in line.claims() if key in seen), None)
            if earlier:
                raise UsageError("the {} is in line {} already".format(*earlier))
        except (UsageError, ValueError, csv.Error) as error:
            bad.append(BadLine(number, str(error)))
            continue
        seen.update(dict.fromkeys(line.claims(), number))
        lines.append(line)
    return lines, bad


def computer_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are no comments, with their numbers."""
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if raw.strip() and not raw.startswith(b"#"):
            yield number, raw


def split_macs(field: str) -> list[str]:
    """The MAC addresses in a field, as they were typed."""
    return [text for text in _SEPARATORS.split(field) if text]


def _fields(raw: bytes, titles: Sequence[str]) -> list[str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text") from None
    # one line at a time: names hold no line ends, and a stray quote must not swallow the lines that follow
    fields = [each.strip() for each in next(csv.reader([text], strict=True))]
    if len(fields) != len(titles):
        raise UsageError(f"has {len(fields)} fields; {len(titles)} are needed: {','.join(titles)}")
    if [each.lower() for each in fields] == [title.lower() for title in titles]:
        raise UsageError("names the columns; with --header the first line is passed over")
    return fields


def _line(number: int, fields: Sequence[str], columns: Columns) -> Line:
    guid = fields[columns.guid] if columns.guid is not None else ""
    macs = [mac for place in columns.macs for mac in split_macs(fields[place])]
    name, addresses, own_guid = check_identity(fields[columns.name], macs, parse_guid(guid) if guid else None)
    source = fields[columns.source] if columns.source is not None else ""
    if source:
        check_name(source)
    variables = {title: fields[place] for place, title in columns.variables if fields[place]}
    for title, value in variables.items():
        check_variable(title, value)
    return Line(number, name, addresses, own_guid, source, variables)
