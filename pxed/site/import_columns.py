"""What the columns of a file of computers seem to be, for whoever has named them wrongly."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from itertools import islice

from pxed.errors import UsageError
from pxed.site.identifiers import parse_guid, parse_mac
from pxed.site.import_file import Columns, computer_lines, parse_columns, read_computers, split_macs
from pxed.site.names import check_name

_LOOKED_AT = 100
"""lines: what these do not show is no pattern"""
_OTHER_SEPARATORS = {b";": "semicolons", b"\t": "tabs"}


def advice(data: bytes, columns: Columns, *, header: bool) -> str:
    """What would read the first lines of a file better than `columns` and `header`, which are as in `read_computers`;
    empty if they read most of them, or if nothing is known that would read all."""
    lines = [raw for _, raw in islice(computer_lines(data), _LOOKED_AT)]
    sample = b"\n".join(lines)
    if 2 * len(read_computers(sample, header=header, columns=columns)[1]) <= len(lines):
        return ""
    if not any(b"," in line for line in lines):
        separators = (separator for separator in _OTHER_SEPARATORS if all(separator in line for line in lines))
        called = next(map(_OTHER_SEPARATORS.__getitem__, separators), "")
        return f"fields are separated by commas, and here it seems by {called}" if called else ""
    has_header = len(lines) > 1 and _likely(lines[:1]) is None
    titles = _likely(lines[has_header:])
    if titles is None:
        return ""
    guess = ",".join(titles)
    if read_computers(sample, header=has_header, columns=parse_columns(guess))[1]:
        return ""
    return f"its first lines look like --columns {guess}{' --header' if has_header else ''}"


def _likely(lines: Sequence[bytes]) -> tuple[str, ...] | None:
    """Titles with which each of `lines` may be a computer; None if there are none."""
    try:
        rows = list(csv.reader([line.decode() for line in lines], strict=True))
        places = list(zip(*rows, strict=True))
    except (ValueError, csv.Error):
        return None
    titles = [_title(place) for place in places]
    if "name" not in titles or not {"guid", "mac"} & set(titles):
        return None
    first: dict[str, int] = {title: titles.index(title) for title in ("name", "guid") if title in titles}
    return tuple(
        title if first.get(title, place) == place else "ignore"  # the first one is it
        for place, title in enumerate(titles)
    )


def _title(fields: Sequence[str]) -> str:
    """What all of `fields`, one of each line, are."""
    texts = [field.strip() for field in fields]
    filled = list(filter(None, texts))
    if filled and _all_are(_macs, filled):
        return "mac"
    if filled and _all_are(parse_guid, filled):
        return "guid"
    return "name" if len(set(texts)) == len(texts) and _all_are(check_name, texts) else "ignore"


def _macs(text: str) -> None:
    for each in split_macs(text):
        parse_mac(each)


def _all_are(parse: Callable[[str], object], texts: Sequence[str]) -> bool:
    try:
        for text in texts:
            parse(text)
    except (ValueError, UsageError):
        return False
    return True
