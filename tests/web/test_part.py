"""Preconditions and ranges, after the examples and rules of RFC 9110 sections 13 and 14."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.web.part import Part, Version, part_of

VERSION = Version(1000, 1_700_000_000_500_000_000)
BEFORE, SAME, AFTER = (
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 22:13:21 GMT",
)
WHOLE = Part(HTTPStatus.OK, 0, 1000)
REFUSED = Part(HTTPStatus.PRECONDITION_FAILED)
UNCHANGED = Part(HTTPStatus.NOT_MODIFIED)
NO_SUCH_RANGE = Part(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


def ranged(first: int, count: int) -> Part:
    return Part(HTTPStatus.PARTIAL_CONTENT, first, count)


def test_the_validators() -> None:
    assert VERSION.last_modified == SAME
    assert VERSION.etag != Version(1001, VERSION.mtime_ns).etag
    assert VERSION.etag != Version(1000, VERSION.mtime_ns + 1).etag


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-499", ranged(0, 500)),
        ("bytes=500-999", ranged(500, 500)),
        ("bytes=-500", ranged(500, 500)),
        ("bytes=500-", ranged(500, 500)),
        ("bytes=0-0", ranged(0, 1)),
        ("BYTES=999-5000", ranged(999, 1)),
        ("bytes=-5000", ranged(0, 1000)),
        ("bytes=1000-", NO_SUCH_RANGE),
        ("bytes=1000-2000", NO_SUCH_RANGE),
        ("bytes=-0", NO_SUCH_RANGE),
        ("bytes=5-4", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=0-0,-1", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=\u0661-", WHOLE),
        ("pages=1-2", WHOLE),
        ("bytes=" + "9" * 400 + "-", WHOLE),
    ],
)
def test_ranges(wanted: str, part: Part) -> None:
    assert part_of(VERSION, "GET", {"Range": wanted}) == part
    assert part_of(VERSION, "HEAD", {"Range": wanted}) == WHOLE


def test_an_empty_file_has_no_range() -> None:
    assert part_of(Version(0, 0), "GET", {"Range": "bytes=0-"}) == NO_SUCH_RANGE


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"If-Match": VERSION.etag}, WHOLE),
        ({"If-Match": "*"}, WHOLE),
        ({"If-Match": '"x", ' + VERSION.etag}, WHOLE),
        ({"If-Match": '"x"'}, REFUSED),
        ({"If-Match": "W/" + VERSION.etag}, REFUSED),
        ({"If-Match": VERSION.etag, "If-Unmodified-Since": BEFORE}, WHOLE),
        ({"If-Unmodified-Since": BEFORE}, REFUSED),
        ({"If-Unmodified-Since": SAME}, WHOLE),
        ({"If-None-Match": '"x"'}, WHOLE),
        ({"If-None-Match": "W/" + VERSION.etag}, UNCHANGED),
        ({"If-None-Match": "*"}, UNCHANGED),
        ({"If-None-Match": '"x"', "If-Modified-Since": AFTER}, WHOLE),
        ({"If-Modified-Since": BEFORE}, WHOLE),
        ({"If-Modified-Since": SAME}, UNCHANGED),
        ({"If-Modified-Since": AFTER}, UNCHANGED),
        ({"If-Modified-Since": "yesterday"}, WHOLE),
        ({"If-Unmodified-Since": "yesterday"}, WHOLE),
        ({"If-Match": '"x"', "Range": "bytes=0-1"}, REFUSED),
        ({"If-Range": VERSION.etag, "Range": "bytes=0-1"}, ranged(0, 2)),
        ({"If-Range": SAME, "Range": "bytes=0-1"}, ranged(0, 2)),
        ({"If-Range": '"x"', "Range": "bytes=0-1"}, WHOLE),
        ({"If-Range": AFTER, "Range": "bytes=0-1"}, WHOLE),
    ],
)
def test_preconditions(headers: dict[str, str], part: Part) -> None:
    assert part_of(VERSION, "GET", headers) == part


@given(st.integers(0, 3000), st.text(), st.text())
def test_whatever_is_asked_the_part_lies_in_the_file(size: int, wanted: str, date: str) -> None:
    headers = {"Range": wanted, "If-Modified-Since": date}
    part = part_of(Version(size, 0), "GET", headers)
    assert 0 <= part.first <= part.first + part.length <= size
