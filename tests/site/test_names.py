from __future__ import annotations

import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import UsageError
from pxed.site.names import check_identity, check_name

GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")


@pytest.mark.parametrize("name", ["NEWCOMP1", "a", "x" * 255, "Büro 2. Stock", "研究室", "-", "a/b", "50 % $HOME"])
def test_a_name_may_be_anything_that_can_be_read(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("x" * 256, "256 characters"),
        (" a", "space"),
        ("a\u00a0", "space"),
        ("a\nb", r"U\+000A"),
        ("a\x00b", r"U\+0000"),
        ("a\x1b[2Jb", r"U\+001B"),
        ("a\u202eb", r"U\+202E"),
        ("a\u2028b", r"U\+2028"),
        ("a\udcffb", r"U\+DCFF"),
        ("52:54:00:12:34:56", "taken for"),
        ("525400123456", "taken for"),
        ("4C4C4544-0044-4A10-8039-B4C04F333232", "taken for"),
        ("{4c4c454400444a108039b4c04f333232}", "taken for"),
    ],
)
def test_a_name_that_could_mislead_is_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        check_name(name)


@given(st.text())
def test_any_text_is_a_printable_name_or_refused(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    assert name.strip() == name != ""
    assert not any(unicodedata.category(character)[0] == "C" for character in name)


def test_an_identity_is_printed_in_one_way() -> None:
    macs = ["5254.0012.3457", "52-54-00-12-34-56", "52:54:00:12:34:57"]
    assert check_identity("a", macs, None) == ("a", ("52:54:00:12:34:56", "52:54:00:12:34:57"), None)
    assert check_identity("a", [], GUID) == ("a", (), GUID)


@pytest.mark.parametrize(
    ("macs", "guid", "reason"),
    [
        ([], None, "at least one"),
        (["52:54"], None, "not a MAC address"),
        (["ff:ff:ff:ff:ff:ff"], None, "no computer's"),
    ],
)
def test_an_identity_that_is_none_is_refused(macs: list[str], guid: uuid.UUID | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        check_identity("a", macs, guid)
