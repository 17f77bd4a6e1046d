"""What the kernel command line tells the agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_WAIT = 30
MAX_WAIT = 3600


@dataclass(frozen=True, slots=True)
class Options:
    """The words of /proc/cmdline that are meant for the agent."""

    server: str
    """`pxed.server=`: base URL of the service point, without a slash at its end"""
    token: str
    """`pxed.token=`: the grant that this boot runs under"""
    boot_mac: str | None
    """`BOOTIF=`: the MAC address that the firmware booted from, pairs with colons"""
    wait: int
    """`pxed.wait=`: seconds for which a failure stays on the screen before the restart"""


def parse(text: str) -> Options:
    """The options in `text`; ValueError says what is missing or wrong. Of repeated words the last counts, as it does
    for the kernel's own."""
    words = dict(word.split("=", 1) for word in text.split() if "=" in word)
    for name in ("pxed.server", "pxed.token"):
        if not words.get(name):
            raise ValueError(f"{name}= is missing on the kernel command line")
    server = words["pxed.server"].rstrip("/")
    if not re.fullmatch(r"http://[^/\s]+(/\S*)?", server):
        raise ValueError(f"pxed.server={server!r}: an http:// address is needed")
    wait = words.get("pxed.wait", str(DEFAULT_WAIT))
    if not wait.isascii() or not wait.isdigit() or int(wait) > MAX_WAIT:
        raise ValueError(f"pxed.wait={wait!r}: 0 to {MAX_WAIT} seconds are possible")
    return Options(server, words["pxed.token"], _boot_mac(words.get("BOOTIF")), int(wait))


def _boot_mac(value: str | None) -> str | None:
    """The address in the form that PXELINUX began and all loaders share: hardware type and address, with dashes."""
    if not value:
        return None
    pairs = value.lower().replace(":", "-").split("-")
    if len(pairs) == 7:
        del pairs[0]
    if len(pairs) != 6 or not all(re.fullmatch("[0-9a-f]{2}", pair) for pair in pairs):
        raise ValueError(f"BOOTIF={value!r}: an address such as 01-52-54-00-12-34-56 is needed")
    return ":".join(pairs)
