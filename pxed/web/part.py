"""Which part of a file a request asks for: preconditions and byte ranges (RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
"""One range. Several, other units and nonsense are not understood, and the whole file is sent (section 14.2)."""
_TAG = re.compile(r'(?:W/)?"[^"]*"')


class Version(NamedTuple):
    """What tells one content of a file from another."""

    size: int
    """octets"""
    mtime_ns: int
    """nanoseconds since 1970"""

    @property
    def etag(self) -> str:
        """A strong validator."""
        return f'"{self.mtime_ns:x}-{self.size:x}"'

    @property
    def last_modified(self) -> str:
        """An HTTP date, of whole seconds."""
        return http_date(self._seconds)

    @property
    def _seconds(self) -> int:
        return self.mtime_ns // 1_000_000_000

    def is_newer_than(self, date: str) -> bool | None:
        """Whether it was changed after an HTTP date; None if that is no date."""
        try:
            parsed = parsedate_to_datetime(date)
        except ValueError:
            return None
        return datetime.fromtimestamp(self._seconds, UTC) > parsed.replace(tzinfo=parsed.tzinfo or UTC)


class Part(NamedTuple):
    """What is sent: 200 and 206 have octets, 304, 412 and 416 have none."""

    status: HTTPStatus
    first: int = 0
    """where it begins"""
    length: int = 0
    """octets"""


def part_of(version: Version, method: str, headers: Mapping[str, str]) -> Part:
    """The answer to `method` (GET or HEAD) with `headers`, in the order of RFC 9110 section 13.2.2."""
    if (tags := headers.get("If-Match")) is not None:
        if not _matches(tags, version.etag):
            return Part(HTTPStatus.PRECONDITION_FAILED)
    elif (date := headers.get("If-Unmodified-Since")) is not None and version.is_newer_than(date):
        return Part(HTTPStatus.PRECONDITION_FAILED)
    if (tags := headers.get("If-None-Match")) is not None:
        if _matches(tags.replace("W/", ""), version.etag):
            return Part(HTTPStatus.NOT_MODIFIED)
    elif (date := headers.get("If-Modified-Since")) is not None and version.is_newer_than(date) is False:
        return Part(HTTPStatus.NOT_MODIFIED)
    wanted = headers.get("Range")
    # Only GET has ranges (section 14.2); If-Range asks for equality, so a date is compared as text (section 13.1.5).
    unless = headers.get("If-Range")
    if wanted and method == "GET" and (unless is None or unless in {version.etag, version.last_modified}):
        return _range(wanted, version.size)
    return Part(HTTPStatus.OK, 0, version.size)


@lru_cache(maxsize=256)  # of files that are asked for again and again
def http_date(seconds: int) -> str:
    """An HTTP date (RFC 9110 section 5.6.7) from seconds since 1970."""
    return formatdate(seconds, usegmt=True)


def _range(wanted: str, size: int) -> Part:
    """One range of a file: first to last, from first on, or the last n octets."""
    match = _RANGE.fullmatch(wanted)
    first, last = match.groups() if match else ("", "")
    if not (first or last) or (first and last and int(first) > int(last)):
        return Part(HTTPStatus.OK, 0, size)
    begin = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if begin >= end:
        return Part(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return Part(HTTPStatus.PARTIAL_CONTENT, begin, end - begin)


def _matches(tags: str, etag: str) -> bool:
    return tags.strip() == "*" or etag in _TAG.findall(tags)
