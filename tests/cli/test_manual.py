"""`pxed manual`: every verb is in it, and the formatter understands it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from pxed.cli.lazy import LazyVerb
from pxed.cli.main import pxed as root
from tests.cli.conftest import Pxed


def verbs(group: click.Group, above: str = "pxed") -> Iterator[str]:
    for name, found in group.commands.items():
        verb = found.verb if isinstance(found, LazyVerb) else found
        yield f"{above} {name}"
        if isinstance(verb, click.Group):
            yield from verbs(verb, f"{above} {name}")


def test_every_verb_is_in_it(pxed: Pxed) -> None:
    headings = [line.split('"')[1].replace("\\-", "-") for line in pxed("manual").out.splitlines() if line[:3] == ".SS"]
    for verb in verbs(root):
        assert any(heading == verb or heading.startswith(f"{verb} ") for heading in headings), verb


def test_what_a_verb_says_of_itself_and_of_its_options(pxed: Pxed) -> None:
    page = pxed("manual").out
    assert "  pxed clear\\-last ws\\-01 ws\\-02 \\-\\-advertisement \\(dqinstall to Lab\\(dq\n" in page
    assert '.B "\\-\\-dry\\-run"\nSay what would be forgotten, and forget nothing.\n' in page
    assert page.count("Configuration file.") == 1
    assert "78  the configuration has faults" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_formatter_has_nothing_to_say(pxed: Pxed) -> None:
    page = pxed("manual").out
    command = ["groff", "-man", "-Tutf8", "-ww"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "pxed computer variable set" in done.stdout
