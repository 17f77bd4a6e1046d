"""Text as keys of a US keyboard, in QEMU's names (QKeyCode of its QAPI): the layout that boot loaders know."""

from __future__ import annotations

_PLAIN = {
    " ": "spc",
    "\n": "ret",
    "-": "minus",
    "=": "equal",
    "[": "bracket_left",
    "]": "bracket_right",
    ";": "semicolon",
    "'": "apostrophe",
    "`": "grave_accent",
    "\\": "backslash",
    ",": "comma",
    ".": "dot",
    "/": "slash",
}
_SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))
"""what a key gives with Shift, and what it gives without"""


def keys_of(character: str) -> list[str]:
    """The keys that are pressed together for one character; ValueError if no US keyboard has it."""
    if character in _SHIFTED:
        return ["shift", *keys_of(_SHIFTED[character])]
    if character.isascii() and character.isalpha():
        return ["shift", character.lower()] if character.isupper() else [character]
    if character in _PLAIN:
        return [_PLAIN[character]]
    if character.isascii() and character.isdigit():
        return [character]
    raise ValueError(f"a US keyboard has no {character!r}")
