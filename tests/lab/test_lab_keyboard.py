"""Every character that a US keyboard has, as keys."""

import string

import pytest

from pxed.lab.keyboard import keys_of


@pytest.mark.parametrize(
    ("character", "keys"),
    [
        ("a", ["a"]),
        ("A", ["shift", "a"]),
        ("7", ["7"]),
        ("&", ["shift", "7"]),
        ("\n", ["ret"]),
        ("{", ["shift", "bracket_left"]),
    ],
)
def test_keys(character: str, keys: list[str]) -> None:
    assert keys_of(character) == keys


def test_all_of_printable_ascii_is_there_and_nothing_twice() -> None:
    printable = [character for character in string.printable if character.isprintable()]
    assert len({tuple(keys_of(character)) for character in printable}) == len(printable) == 95


@pytest.mark.parametrize("character", ["é", "\t", "€"])
def test_what_no_us_keyboard_has(character: str) -> None:
    with pytest.raises(ValueError, match="US keyboard"):
        keys_of(character)
