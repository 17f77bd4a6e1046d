"""Boot scripts: what iPXE gets to read, and what a value can never do to its line."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.boot.script import (
    Loading,
    ScriptValueError,
    Waiting,
    exact,
    render_boot,
    render_exit,
    render_prompt,
    render_wait,
    shown,
)
from pxed.policy.verdict import Boot, Choice, Finding
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.model import Advertisement, Kind

NOW = datetime(2026, 5, 4, tzinfo=UTC)
KERNEL, INITRD = ImageFile("vmlinuz", 1, "0" * 64), ImageFile("initramfs.img", 1, "0" * 64)
VARIANT = ImageVariant(Cpu.AMD64, KERNEL, (INITRD,), "console=ttyS0 quiet")
BASE = "http://192.0.2.1:8067/b/token"


def choice(name: str) -> Choice:
    advertisement = Advertisement(1, name, Kind.OPTIONAL, "s", "b", 1, "c", True, NOW, None, NOW)
    return Choice(advertisement, 1, VARIANT)


def optional(*names: str) -> Boot:
    return Boot((Finding("optional", "x"),), None, choices=tuple(choice(name) for name in names))


def commands_of(script: str) -> list[list[str]]:
    """The script as iPXE reads it (image/script.c, core/exec.c): lines, continued by a backslash; words; commands, cut
    at `||`, `&&` and `;`; comments dropped; labels taken off."""
    commands: list[list[str]] = []
    for line in script.replace("\\\n", "").split("\n"):
        words = line.split()
        if words and words[0].startswith(":"):
            words = words[1:]
        command: list[str] = []
        for word in words:
            if word.startswith("#"):
                break
            if word in {"||", "&&", ";"}:
                commands.append(command)
                command = []
            else:
                command.append(word)
        if command:
            commands.append(command)
    return commands


def test_a_boot_script_in_full() -> None:
    loading = Loading("Install", VARIANT, BASE, ("pxed.token=token", "BOOTIF=01-52-54-00-12-34-56"))
    assert render_boot(loading, "PC1") == (
        "#!ipxe\n"
        "echo pxed: PC1 boots Install\n"
        f"kernel --name vmlinuz {BASE}/vmlinuz initrd=initramfs.img console=ttyS0 quiet pxed.token=token "
        "BOOTIF=01-52-54-00-12-34-56 || goto failed\n"
        f"initrd --name initramfs.img {BASE}/initramfs.img || goto failed\n"
        "boot ||\n"
        ":failed\n"
        "echo pxed: the boot image did not start, on to the next boot device\n"
        "sleep 3\n"
        "exit 1\n"
    )


def test_one_optional_advertisement_is_a_prompt_for_f12() -> None:
    script = render_prompt(optional("Debian 13"), "PC1", ("http://192.0.2.1:8067/boot/t/1.ipxe",), 7.5)
    assert "prompt --key 0x197e --timeout 7500 pxed: press F12 within 7.5 s to boot Debian 13 && goto chosen" in script
    assert "chain --replace http://192.0.2.1:8067/boot/t/1.ipxe || goto local" in script
    assert "menu" not in script
    assert script.endswith(":local\necho pxed: on to the next boot device\nexit 1\n")


def test_several_are_a_menu_behind_f12() -> None:
    script = render_prompt(optional("A", "B"), "PC1", ("http://h/1.ipxe", "http://h/2.ipxe"), 10)
    assert "item http://h/1.ipxe A\nitem http://h/2.ipxe B\n" in script
    assert "choose target || goto local" in script


def test_one_that_waits_for_approval_explains_itself_and_asks_again() -> None:
    script = render_wait(Waiting("Büro ${x}", 17, "52:54:00:12:34:56", "none", 30, "http://h/boot/t/waiting.ipxe"))
    assert "not known at B?ro $ {x} and waits for approval" in script
    assert "tell the administrator its ID: 17\n" in script
    commands = commands_of(script)
    assert [command[:3] for command in commands if command and command[0] == "prompt"] == [
        ["prompt", "--timeout", "5000"]
    ] * 12
    assert commands.count(["chain", "--replace", "http://h/boot/t/waiting.ipxe"]) == 12
    assert commands[-1] == ["exit", "1"]


def test_exit_goes_on_with_an_error_so_that_efi_takes_the_next_entry() -> None:
    assert render_exit("nothing to do").endswith("exit 1\n")


@given(st.text(max_size=300))
def test_shown_text_never_leaves_its_command(text: str) -> None:
    script = render_exit(text)
    assert [command[0] for command in commands_of(script)] == ["echo", "exit"]
    assert "${" not in script
    assert script.count("\n") == 3
    assert all(" " <= c <= "~" for c in script.replace("\n", ""))


@given(st.text(alphabet=st.sampled_from(list(" |&;#$\\{}\n\r\tab\x00\x1b")), max_size=80))
def test_names_made_of_iPXEs_own_signs_stay_words(text: str) -> None:  # noqa: N802 - iPXE is spelt so
    script = render_prompt(optional(text, text), text, ("http://h/1.ipxe", "http://h/2.ipxe"), 10)
    kinds = [command[0] for command in commands_of(script)]
    plain = render_prompt(optional("A", "B"), "C", ("http://h/1.ipxe", "http://h/2.ipxe"), 10)
    assert kinds == [command[0] for command in commands_of(plain)]
    assert script.count("${") == plain.count("${")


@given(st.text(max_size=100))
def test_exact_values_are_passed_on_unchanged_or_refused(text: str) -> None:
    try:
        passed = exact(text)
    except ScriptValueError:
        return
    assert passed == text
    assert commands_of(f"kernel {text} end") == [["kernel", *text.split(), "end"]]
    assert "${" not in text


@pytest.mark.parametrize("text", ["a || b", "a && b", "; reboot", "#x", "a\nb", "${net0/mac}", "tail\\", "caf\xe9"])
def test_what_exact_refuses(text: str) -> None:
    with pytest.raises(ScriptValueError):
        exact(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a || b", "a | b"), ("#1", "'#1"), ("${x}", "$ {x}"), ("", "-"), ("caf\xe9", "caf?"), ("x" * 300, "x" * 120)],
)
def test_what_shown_does(text: str, expected: str) -> None:
    assert shown(text) == expected
