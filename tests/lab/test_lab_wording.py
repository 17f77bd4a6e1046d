"""The lab waits for words that boot scripts and agent really say: patterns that no longer fit fail here in no time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from pxed.agent.run import Result
from pxed.agent.server import Assignment, Server
from pxed.agent.task import carry_out
from pxed.boot.script import Loading, render_boot, render_exit, render_login, render_prompt
from pxed.lab import wording
from pxed.policy.verdict import Boot, Choice, Finding
from pxed.sequence.model import CommandStep, Sequence
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.model import Advertisement, Kind

VARIANT = ImageVariant(Cpu.AMD64, ImageFile("vmlinuz", 1, "0" * 64), (), "")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADVERTISEMENT = Advertisement(1, "install", Kind.OPTIONAL, "seq", "image", 1, "Lab", True, NOW, None, NOW)


def said(script: str) -> list[str]:
    """What a boot script prints, as lines on the serial port."""
    return re.findall(r"^(?:echo|prompt --key \S+ --timeout \S+) (.*)", script, re.MULTILINE)


def matching(pattern: str, lines: list[str]) -> list[str]:
    return [line for line in lines if re.search(pattern, line)]


def test_the_boot_script() -> None:
    begins, fails = said(render_boot(Loading("install", VARIANT, "http://10.77.0.2/b/t", ()), "PC"))

    assert re.search(wording.BOOTS, begins)
    assert re.search(wording.TROUBLE, fails)
    assert not re.search(wording.TROUBLE, begins)


def test_the_prompt() -> None:
    verdict = Boot((Finding("optional", "x"),), None, choices=(Choice(ADVERTISEMENT, 1, VARIANT),))

    lines = said(render_prompt(verdict, "PC", ("http://10.77.0.2/b/t",), 10.0))

    assert len(matching(wording.PROMPT, lines)) == 1
    assert matching(wording.LOCAL_BOOT, lines) == ["pxed: on to the next boot device"]


def test_nothing_to_do() -> None:
    assert matching(wording.LOCAL_BOOT, said(render_exit("nothing to do: it has run")))


def test_the_password() -> None:
    refused = "wrong user name or password; the next try is in 3 s"
    assert matching(wording.LOGIN_REFUSED, said(render_login(None, refused, 3)))
    impossible = "install needs a password, and this boot loader has no HTTPS to send it by"
    assert matching(wording.LOGIN_IMPOSSIBLE, said(render_login(None, impossible, 10)))


class ServicePoint(Server):
    """One that has a task sequence of one step, and takes every report."""

    def __init__(self) -> None:
        super().__init__("http://10.77.0.2:8067", "token", "boot", sleep=lambda _: None, say=lambda _: None)

    def fetch(self, patience: float = 0.0) -> Assignment:
        return Assignment("PC", "install", "seq", Sequence((CommandStep("Step", "true"),)), {})

    def report(
        self, state: str, *, step: str = "", exit_code: int | None = None, message: str = "", patience: float
    ) -> None:
        """Taken."""


@pytest.mark.parametrize(("exit_code", "last"), [(0, wording.SUCCEEDED), (1, wording.TROUBLE)])
def test_the_agent(exit_code: int, last: str) -> None:
    lines: list[str] = []

    def execute(_command: str, _variables: Mapping[str, str]) -> Result:
        return Result(exit_code, "")

    carry_out(ServicePoint(), execute, {}, lambda text: lines.append(f"pxed: {text}"))

    assert matching(wording.RUNS, lines) == lines[:1]
    assert len(matching(last, lines)) == 1
    assert len(matching(f"{wording.SUCCEEDED}|{wording.TROUBLE}", lines)) == 1
