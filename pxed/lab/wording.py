"""What firmware, boot scripts, agent and disk say on the serial port: the one place that knows their words.

Patterns for `re.search` on one line. Firmware wraps lines at column 80, so a pattern ends well before.
"""

from __future__ import annotations

import re

from pxed.lab.disk import MARK

ANSWERED = r"^pxed: |NBP filename|PXE-E21"
"""anything that a computer says because the service point answered it"""
PROMPT = r"^pxed: press F12 within"
BOOTS = r"^pxed: .* boots "
LOGIN = r"^Username"
LOGIN_IMPOSSIBLE = r"^pxed: .* needs a password, and this boot loader has no HTTPS"
LOGIN_REFUSED = r"^pxed: wrong user name or password"
RUNS = r"^pxed: .*: task sequence "
SUCCEEDED = r"^pxed: the task sequence has succeeded"
WAITS = r"^pxed: tell the administrator its ID: "
"""an unknown computer waits for approval"""
LOCAL_BOOT = r"^pxed: (on to the next boot device|nothing to do)|PXE-E21: Remote boot cancelled"
"""the machine was told to go on: by a boot script, or OVMF's PXE client by the answer to its first packet"""
TROUBLE = (
    r"Kernel panic|Could not boot|^pxed: (the boot image did not start|the task sequence has failed|the agent broke"
    r"|the service point (refuses|ends|did not take))"
)
"""after any of these, waiting is in vain"""

_EVENTS = (
    (r"^SeaBIOS \(version", "SeaBIOS starts"),
    (r"^iPXE .* -- Open Source", "iPXE starts"),
    (r">>Start PXE over IPv4", "OVMF starts its PXE client"),
    (r"NBP filename is (\S+)", "OVMF loads {0}"),
    (r"PXE-E16", "OVMF got no offer"),
    (r"PXE-E21", "OVMF is told that there is nothing to do"),
    (r"^Nothing to boot", "iPXE got no offer"),
    (r"net\d: (10\.77\.0\.\d+)", "has the address {0}"),
    (r"^pxed: (?!press F12)(\S+ .*)", "{0}"),
    (rf"^{re.escape(MARK)}(.*)", "starts from its disk: {0}"),
)


def event_of(line: str) -> str | None:
    """What a line means for the timeline; None if it is of no interest there."""
    for pattern, text in _EVENTS:
        if match := re.search(pattern, line):
            return text.format(*match.groups())
    return None
