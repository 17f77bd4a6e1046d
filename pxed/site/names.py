"""What people may call things: computers, collections, boot images, task sequences, advertisements."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Sequence

from pxed.errors import UsageError
from pxed.site.identifiers import parse_guid, parse_mac

MAX_NAME = 255
"""characters"""
MAX_VALUE = 4096
"""characters in a variable of a computer"""
MAX_VARIABLES = 100
"""of one computer: all of them have to fit into the environment of a command"""
RESERVED = "PXED_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_name(name: str) -> str:
    """`name` itself if it can be one; UsageError says why not.

    Names go into terminals, logs and boot scripts, so nothing invisible is in them (Unicode categories C*, Zl, Zp);
    and wherever a computer is asked for, a MAC address or a GUID does as well, so no name looks like one.
    """
    if not name:
        raise UsageError("a name must not be empty")
    if len(name) > MAX_NAME:
        raise UsageError(f"the name {name[:20]!r}... has {len(name)} characters; at most {MAX_NAME} are possible")
    if name != name.strip():
        raise UsageError(f"the name {name!r} begins or ends with a space")
    check_printable(name, "the name")
    if looks_like_identifier(name):
        raise UsageError(f"the name {name!r} would be taken for a MAC address or a GUID")
    return name


def check_printable(text: str, what: str) -> None:
    """UsageError if something invisible is in `text`, which is `what`."""
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character)[0] == "C" or unicodedata.category(character) in {"Zl", "Zp"}:
            raise UsageError(f"{what} {text!r} contains the control character U+{ord(character):04X}")


def check_variable(name: str, value: str) -> None:
    """UsageError says why `name` can be no variable of a computer, or `value` not what it holds."""
    if not _VARIABLE.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageError(f"{name[:60]!r} is no name for a variable: letters, digits and _, no digit first")
    if name.startswith(RESERVED):
        raise UsageError(f"the variable {name} cannot be set: names that begin with {RESERVED} are pxed's own")
    if len(value) > MAX_VALUE:
        raise UsageError(f"the value of {name} has {len(value)} characters; at most {MAX_VALUE} are possible")
    check_printable(value, f"the value of {name},")


def looks_like_identifier(text: str) -> bool:
    """True if `text` can be read as a MAC address or a GUID."""
    for parse in (parse_mac, parse_guid):
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False


def check_identity(
    name: str, macs: Sequence[str], guid: uuid.UUID | None
) -> tuple[str, tuple[str, ...], uuid.UUID | None]:
    """Name, MAC addresses (sorted, each once) and GUID of a computer; UsageError says what is wrong."""
    check_name(name)
    try:
        addresses = tuple(sorted({parse_mac(mac) for mac in macs}))
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
    if not addresses and guid is None:
        raise UsageError(f"{name}: neither a MAC address nor a GUID is given; at least one is needed")
    return name, addresses, guid
