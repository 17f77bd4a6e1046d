"""The frame around all verbs: quick start, help, options, errors, exit statuses."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
import pytest

from pxed import __version__
from pxed.cli.lazy import LazyVerb, VerbGroup
from pxed.cli.main import VERBS, run
from pxed.cli.main import pxed as root
from pxed.cli.session import Session
from pxed.errors import (
    ConfigError,
    NotFound,
    NotPermitted,
    PxedError,
    Refused,
    StoreError,
    Unavailable,
    UsageError,
)
from tests.cli.conftest import Pxed

HEAVY = ("sqlalchemy", "alembic", "aiohttp", "rich", "scapy", "psutil", "jinja2", "cryptography", "asyncio")


def verbs(command: click.Command = root, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    if isinstance(command, LazyVerb):
        command = command.verb
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from verbs(inner, (*path, name))


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a run of `pxed` imports."""
    code = """
import sys
from pxed.cli.main import run
status = run(sys.argv[1:])
print("", *sys.modules)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_version_imports_nothing_heavy() -> None:
    loaded = loaded_by("--version")
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_help_imports_no_verb() -> None:
    loaded = loaded_by("--help")
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint(f"pxed.cli.{verb.name}" for verb in VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("computer", "list"),
        ("computer", "show", "ws-01"),
        ("computer", "add", "ws-03", "--mac", "52:54:00:00:00:03", "--collection", "Lab"),
        ("collection", "list"),
        ("advertisement", "list"),
        ("bootimage", "list"),
        ("sequence", "list"),
        ("explain", "ws-01"),
        ("explain", "52:54:00:ff:ff:ff"),
        ("preview", "--collection", "Lab"),
        ("history", "ws-01"),
        ("log",),
        ("report", "deployments"),
        ("sightings",),
        ("clear-last", "ws-01"),
        ("stop-all",),
    ],
    ids=" ".join,
)
def test_a_short_command_does_without_sqlalchemy(site: Pxed, config_file: Path, arguments: tuple[str, ...]) -> None:
    """All its statements are among those whose texts are kept."""
    assert loaded_by(*arguments, "--config", str(config_file)).isdisjoint({"sqlalchemy", "asyncio", "alembic"})


def test_version(pxed: Pxed) -> None:
    assert pxed("--version").out == f"pxed {__version__}\n"


def test_help_lists_every_verb_with_its_line(pxed: Pxed) -> None:
    lines = pxed("--help").out.splitlines()
    for verb in VERBS:
        assert any(re.fullmatch(rf" +{verb.name} +\S.*\.", line) for line in lines), verb.name


def test_groups_list_their_verbs_with_whole_sentences() -> None:
    for path, command in verbs():
        if isinstance(command, VerbGroup):
            with click.Context(command, info_name="pxed") as context:
                listing = command.get_help(context).partition("Commands:")[2]
            assert listing, path
            assert "..." not in listing, path


@pytest.mark.parametrize("path", [path for path, _ in verbs()], ids=" ".join)
def test_every_help_has_an_example_that_parses(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--config" in text
    assert "--json" in text
    examples = re.findall(r"^ +(pxed .*)$", text.partition("Example:")[2].partition("\n\n")[0], re.MULTILINE)
    assert examples
    monkeypatch.chdir(tmp_path)
    reached: list[str] = []
    original = click.Command.invoke

    def invoke(command: click.Command, context: click.Context) -> None:
        if isinstance(command, click.Group):
            original(command, context)
        else:
            reached.append(context.command_path)

    monkeypatch.setattr(click.Command, "invoke", invoke)
    for example in examples:
        words = shlex.split(example.partition(" > ")[0].partition(" | ")[0])[1:]
        for word in words:
            if re.fullmatch(r"[\w-]+\.(csv|toml|json|img|raw|qcow2)|vmlinuz", word):
                (tmp_path / word).touch()
        assert run(words) == 0, capsys.readouterr().err
    below = " ".join(["pxed", *path])
    assert all(name == below or name.startswith(f"{below} ") for name in reached)
    assert len(reached) == len(examples)


def test_no_verb_at_all_is_wrong_use(pxed: Pxed) -> None:
    assert "Commands:" in pxed(code=2).err


def test_an_unknown_verb_is_wrong_use_with_a_hint(pxed: Pxed) -> None:
    outcome = pxed("comptr", "list", code=2)
    assert "No such command 'comptr'" in outcome.err
    assert "'computer'" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    "arguments",
    [("--json", "computer", "list"), ("computer", "--json", "list"), ("computer", "list", "--json")],
)
def test_json_is_taken_before_and_after_the_verb(site: Pxed, arguments: tuple[str, ...]) -> None:
    assert [row["name"] for row in site(*arguments).json] == ["ws-01", "ws-02"]


def test_config_is_taken_before_and_after_the_verb_and_the_last_one_wins(pxed: Pxed, config_file: Path) -> None:
    here, nowhere = ("--config", str(config_file)), ("--config", "/nowhere.toml")
    assert "/nowhere.toml" in pxed(*nowhere, "config", "show", code=78).err
    assert "/nowhere.toml" in pxed("config", "show", *nowhere, code=78).err
    assert "/nowhere.toml" in pxed("config", *here, "show", *nowhere, code=78).err
    assert pxed(*nowhere, "config", "show", *here).out


def test_without_config_the_default_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PXED_CONFIG", raising=False)
    assert Session().config_file == Path("/etc/pxed/pxed.toml")
    monkeypatch.setenv("PXED_CONFIG", "")
    assert Session().config_file == Path("/etc/pxed/pxed.toml")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PxedError("it failed"), 1),
        (NotFound("it failed"), 1),
        (Refused("it failed"), 1),
        (UsageError("it failed"), 2),
        (Unavailable("it failed"), 69),
        (StoreError("it failed"), 74),
        (StoreError("it failed", temporary=True), 75),
        (NotPermitted("it failed"), 77),
        (ConfigError("it", (("", "failed"),)), 78),
    ],
)
def test_expected_errors_are_one_sentence_and_a_status(
    error: PxedError, code: int, pxed: Pxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _raise_in_config(monkeypatch, error)
    outcome = pxed("computer", "list", code=code)
    assert re.fullmatch(r"pxed: it:? failed\n", outcome.err)
    assert outcome.out == ""


def test_an_interrupt_is_130(pxed: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise_in_config(monkeypatch, KeyboardInterrupt())
    assert "Traceback" not in pxed("computer", "list", code=130).err


def test_a_bug_of_ours_is_loud(pxed: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise_in_config(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        pxed("computer", "list")


def _raise_in_config(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def config(_: Session) -> NoReturn:
        raise error

    monkeypatch.setattr(Session, "config", property(config))


def test_a_reader_that_leaves_early_is_no_trouble() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    command = [sys.executable, "-m", "pxed", "--help"]
    done = subprocess.run(command, stdout=writable, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writable)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_reader_that_leaves_in_the_middle_of_a_listing_is_no_trouble_either(pxed: Pxed, tmp_path: Path) -> None:
    many = tmp_path / "many.csv"
    many.write_text(
        "".join(f"ws-{number},,52:54:00:00:{number >> 8:02x}:{number & 255:02x}\n" for number in range(3000))
    )
    pxed("computer", "import", str(many))
    with subprocess.Popen(
        [sys.executable, "-m", "pxed", "computer", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        assert listing.stdout.readline().split()[0] == "NAME"
        listing.stdout.close()
        assert (listing.stderr.read(), listing.wait()) == ("", 1)


def test_a_control_character_in_an_error_does_not_reach_the_terminal(site: Pxed) -> None:
    err = site("computer", "show", "\x1b[2J", code=1).err
    assert "\x1b" not in err
    assert "\\x1b[2J" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(pxed: Pxed, shell: str) -> None:
    assert "_PXED_COMPLETE" in pxed("completion", shell).out


def test_completion_of_another_shell_is_wrong_use(pxed: Pxed) -> None:
    pxed("completion", "csh", code=2)


def test_completion_completes_without_importing_the_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = os.environ | {"_PXED_COMPLETE": "bash_complete", "COMP_WORDS": "pxed comp", "COMP_CWORD": "1"}
    command = [sys.executable, "-X", "importtime", "-m", "pxed"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,computer", "plain,completion"]
    assert "pxed.cli.computer" not in done.stderr
