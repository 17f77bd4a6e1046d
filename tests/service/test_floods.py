"""A flood of packets at the real service: edits are obeyed in its midst, a computer boots, and all of it is counted."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pxed.responder.fastpath import is_compiled
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from tests.service.namespaces import Network, Serving, curl, dhcp_client, until

pytestmark = pytest.mark.netns

EVERYBODY = ("255.255.255.255", 67)
IN_FLIGHT = 32
FIRST, SECOND, NEW, BOOTING = (f"52:54:00:00:00:{number:02x}" for number in range(1, 5))


class Segment:
    """Computers that ask, so many at once that nothing need be dropped."""

    def __init__(self, client: socket.socket) -> None:
        self.asked = 0
        self.answered: Counter[str] = Counter()
        self._client = client
        self._numbers = itertools.count(1)

    def ask(self, *macs: str, silent: frozenset[str] = frozenset(), ipxe: bool = False) -> list[Packet]:
        """One packet of each; the answers, once all have come that are not of those that get none."""
        wanted: dict[int, str] = {}
        for mac in macs:
            number = next(self._numbers)
            if mac not in silent:
                wanted[number] = mac
            self.asked += 1
            self._client.sendto(_discover(mac, number, ipxe=ipxe), EVERYBODY)
        answers = []
        while wanted:
            answer = decode(self._client.recv(2000))
            assert answer.chaddr[:6].hex(":") == wanted.pop(answer.xid)
            answers.append(answer)
        return answers

    def flood(self, count: int, *macs: str, silent: frozenset[str] = frozenset()) -> None:
        """At least so many packets, of these in turn."""
        for _ in range(0, count, IN_FLIGHT):
            self.ask(*itertools.islice(itertools.cycle(macs), IN_FLIGHT), silent=silent)


def _discover(mac: str, number: int, *, ipxe: bool) -> bytes:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
        Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7",
        Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
    }
    if ipxe:
        options[Option.USER_CLASS] = b"iPXE"
    chaddr = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    return Packet(BOOTREQUEST, xid=number, chaddr=chaddr, options=options).encode()


def edit_in_a_flood(serving: Serving, segment: Segment, *words: str) -> None:
    """An edit by the command line, while one computer asks and asks."""
    command = [sys.executable, "-m", "pxed", "--config", str(serving.config), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as editing:
        while editing.poll() is None:
            segment.flood(IN_FLIGHT, SECOND)
        assert editing.stderr
        assert editing.returncode == 0, editing.stderr.read()


def test_a_flood_is_answered_edits_are_obeyed_and_all_is_counted(network: Network, tmp_path: Path) -> None:
    with Serving(network, tmp_path) as serving, dhcp_client(network, "eth0") as client:
        for name, mac in (("first", FIRST), ("second", SECOND), ("booting", BOOTING)):
            serving.cli("computer", "add", name, "--mac", mac)
        segment = Segment(client)
        segment.flood(8_000, FIRST, SECOND)
        if is_compiled():
            assert "those that are alike take the fast path" in serving.log
        segment.flood(640, NEW, SECOND, silent=frozenset({NEW}))
        edit_in_a_flood(serving, segment, "identity", "ignore", "add", FIRST)
        segment.flood(640, FIRST, SECOND, silent=frozenset({FIRST}))
        edit_in_a_flood(serving, segment, "computer", "add", "new", "--mac", NEW)
        segment.flood(640, NEW, SECOND)
        edit_in_a_flood(serving, segment, "computer", "remove", "new")
        segment.flood(640, NEW, SECOND, silent=frozenset({NEW}))
        (offer,) = segment.ask(BOOTING, ipxe=True)
        url = offer.options[Option.BOOTFILE_NAME].rstrip(b"\0").decode()
        segment.flood(640, SECOND)
        assert curl(network, url).startswith(b"#!ipxe")

        def all_counted() -> dict[str, int] | None:
            answers: dict[str, int] = serving.status()["answers"]
            return answers if sum(answers.values()) >= segment.asked else None

        answers = until(all_counted, lambda: f"{segment.asked} were asked, and {serving.status()['answers']}")
        if is_compiled():
            serving.wait_for_log("the flood of packets to port 67 is over")
        assert sum(serving.status()["answers"].values()) == segment.asked
        assert "too many at once" not in answers
        assert answers["ignored: ignore-list"] == 320
        assert answers["ignored: unknown-support"] == 640
        (offer,) = segment.ask(SECOND)
        assert serving.status()["answers"]["answered: local-boot-menu"] == answers["answered: local-boot-menu"] + 1
        assert "bug" not in serving.log
        assert "Traceback" not in serving.log
