"""What verbs print: for people, for pipes, for programs."""

from __future__ import annotations

import io
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pxed.cli.output import cell, print_fields, print_json, print_rows, printable

ROWS: list[dict[str, Any]] = [
    {"name": "ws-01", "macs": ("52:54:00:00:00:01", "52:54:00:00:00:02"), "guid": None, "id": 7},
    {"name": "[bold]a name", "macs": (), "guid": uuid.UUID(int=5), "id": 12},
]
COLUMNS = {"name": "Name", "macs": "MACs", "id": "Id"}


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_aligned_text_without_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, COLUMNS, as_json=False, empty="none")
    assert capsys.readouterr().out.splitlines() == [
        "NAME          MACS                                  ID",
        "ws-01         52:54:00:00:00:01, 52:54:00:00:00:02  7",
        "[bold]a name                                        12",
    ]


@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_a_terminal_gets_a_table_and_no_color_is_honoured(
    no_color: str, styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", no_color)
    print_rows(ROWS, COLUMNS, as_json=False, empty="none")
    text = terminal.getvalue()
    assert "[bold]a name" in text
    assert "52:54:00:00:00:01, 52:54:00:00:00:02" in text
    assert ("\x1b[" in text) is styled


def test_a_long_listing_begins_on_a_terminal_before_all_of_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    seen = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(5000):
            seen.append(terminal.tell())
            yield {"name": f"ws-{number}"}

    print_rows(rows(), {"name": "Name"}, as_json=False, empty="none")
    assert seen[0] == 0
    assert 0 < seen[2500] < seen[-1]
    assert terminal.getvalue() == "".join(f"{name}\n" for name in ["NAME", *(f"ws-{n}" for n in range(5000))])


def test_no_rows_are_a_message_and_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], COLUMNS, as_json=False, empty="no computers")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no computers\n")


def test_no_rows_are_an_empty_list_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(iter([]), COLUMNS, as_json=True, empty="no computers")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("[]\n", "")


def test_json_has_the_whole_row_and_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(iter(ROWS), {"name": "Name"}, as_json=True, empty="")
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 4
    assert json.loads(out) == [
        {"name": "ws-01", "macs": ["52:54:00:00:00:01", "52:54:00:00:00:02"], "guid": None, "id": 7},
        {"name": "[bold]a name", "macs": [], "guid": str(uuid.UUID(int=5)), "id": 12},
    ]


def test_times_are_utc_in_json_whatever_zone_they_came_in(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=2)))
    print_json({"at": moment, "path": Path("/a"), "set": {3, 1, 2}})
    assert json.loads(capsys.readouterr().out) == {"at": "2026-03-01T11:00:00Z", "path": "/a", "set": [1, 2, 3]}


def test_what_has_no_form_in_json_is_our_bug() -> None:
    with pytest.raises(TypeError, match="object"):
        print_json(object())


def test_fields_are_lines_and_lists_of_rows_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    records = [{"advertisement": "one", "state": "failed"}, {"advertisement": "two", "state": ""}]
    fields = {"name": "ws-01", "guid": None, "boot_image": "x", "records": records, "collections": []}
    print_fields(fields, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "name:        ws-01",
        "boot image:  x",
        "records:     advertisement one, state failed",
        "             advertisement two",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (("a", 1), "a, 1"),
        ("Büro 2", "Büro 2"),
        ("a\x1b[2Jb\x07\n\u202e", r"a\x1b[2Jb\x07\n\u202e"),
        (datetime(2026, 3, 1, tzinfo=UTC), f"{datetime(2026, 3, 1, tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


def test_printable_escapes_c1_controls_and_lone_surrogates() -> None:
    assert printable("a\x9b2J\udc80") == r"a\x9b2J\udc80"
