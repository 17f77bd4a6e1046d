"""Machines that boot from the network, played without firmware: their packets, their requests, and what they may meet.

A machine boots until it has been installed, or finds nothing to boot. It crashes wherever it pleases, and starts again.
"""

from __future__ import annotations

import http.client
import json
import queue
import random
import re
import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pxed.boot.token import unseal_grant
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode

_ANSWER_SECONDS = 0.5
_OTHERS_SECONDS = 0.02
"""after the first answer, for those of others"""
_AGENT_SECONDS = 60.0
_HTTP_SECONDS = 5.0
_EVERYBODY = ("255.255.255.255", 67)


class Crash(Exception):
    """The boot ends here: nobody answers, or the machine is switched off."""


class Broadcasts:
    """What all machines of a segment say to everybody, and hear; made and used in their namespace."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self._socket.bind(("", 68))
        self._waiting: dict[int, queue.Queue[Packet]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, packet: Packet) -> list[Packet]:
        """The answers of all who answer."""
        answers: queue.Queue[Packet] = queue.Queue()
        self._waiting[packet.xid] = answers
        found: list[Packet] = []
        with suppress(queue.Empty):
            self._socket.sendto(packet.encode(), _EVERYBODY)
            found.append(answers.get(timeout=_ANSWER_SECONDS))
            while True:
                found.append(answers.get(timeout=_OTHERS_SECONDS))
        del self._waiting[packet.xid]
        return found

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while data := self._socket.recv(2000):
                packet = decode(data)
                with suppress(KeyError):
                    self._waiting[packet.xid].put(packet)


@dataclass
class Machine:
    """One computer and what happened to it. `key` opens the grants that it gets, to see what they are for."""

    mac: str
    key: bytes
    chance: random.Random
    crashes: float = 0.1
    """how likely it is switched off at each step"""
    boots: int = 0
    fetched: bool = False
    """it had a whole boot image once: from then on its installation counts as run"""
    installed: bool = False
    claims: list[tuple[int, int, str]] = field(default_factory=list)
    """every boot script with a grant: record, try, and the address of who gave it"""
    given: set[tuple[int, str]] = field(default_factory=set)
    """every task sequence that it got: record, and the boot id of the system that asked"""

    def live(self, air: Broadcasts, most_boots: int) -> None:
        """Boots until it has been installed, or finds nothing to boot once it had a whole boot image."""
        while not self.installed and self.boots < most_boots:
            with suppress(Crash, OSError, http.client.HTTPException):
                if not self.boot(air) and self.fetched:
                    return

    def boot(self, air: Broadcasts) -> bool:
        """One boot; True if there was something to boot. Crash or OSError wherever it may end."""
        self.boots += 1
        scripts = self._scripts_by_rom(air) if self.chance.random() < 0.5 else self._scripts_by_firmware(air)
        grants = [(address, text) for address, text in scripts if "\nkernel " in text]
        for address, text in grants:
            grant = unseal_grant(_token(text), self.key, 0)
            self.claims.append((grant.record_id, grant.try_number, address))
        self._maybe_crash()
        if grants:
            self._run(self.chance.choice(grants)[1])
        return bool(grants)

    def _scripts_by_firmware(self, air: Broadcasts) -> list[tuple[str, str]]:
        """UEFI: it chooses one of the offers, asks that service point, and its boot loader asks everybody again."""
        offers = air.ask(self._packet())
        if not offers:
            raise Crash
        offer = self.chance.choice(offers)
        if Option.BOOTFILE_NAME not in offer.options:
            return []
        self._maybe_crash()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
            asking.settimeout(_ANSWER_SECONDS)
            asking.sendto(self._packet(MessageType.REQUEST).encode(), (str(offer.siaddr), 4011))
            asking.recv(2000)
        self._maybe_crash()
        return _fetch_together([self.chance.choice(self._script_urls(air))])

    def _scripts_by_rom(self, air: Broadcasts) -> list[tuple[str, str]]:
        """A network card with iPXE: all that answer are asked for the script at the same time, as two machines would
        that share one address."""
        urls = self._script_urls(air)
        self._maybe_crash()
        return _fetch_together(urls)

    def _script_urls(self, air: Broadcasts) -> list[str]:
        offers = air.ask(self._packet(ipxe=True))
        if not offers:
            raise Crash
        return [offer.options[Option.BOOTFILE_NAME].rstrip(b"\0").decode() for offer in offers]

    def _run(self, script: str) -> None:
        *first, last = re.findall(r"http://\S+/b/\S+", script)
        for url in first:
            _fetch(url)
            self._maybe_crash()
        _fetch(last)
        self.fetched = True
        self._maybe_crash()
        server = re.findall(r"pxed\.server=(\S+)", script)[0]
        token, boot = _token(script), f"boot-{self.mac.replace(':', '')}-{self.boots}"
        status, body = _ask_patiently("GET", f"{server}/agent/{token}/sequence?boot={boot}")
        if status != http.client.OK:
            return
        self.given.add((int(json.loads(body)["variables"]["PXED_RECORD"]), boot))
        report = json.dumps({"boot": boot, "number": 1, "state": "succeeded"})
        status, _ = _ask_patiently("POST", f"{server}/agent/{token}/status", report)
        self.installed = status == http.client.OK

    def _maybe_crash(self) -> None:
        if self.chance.random() < self.crashes:
            raise Crash

    def _packet(self, kind: MessageType = MessageType.DISCOVER, *, ipxe: bool = False) -> Packet:
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
            Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7",
            Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
        }
        if ipxe:
            options[Option.USER_CLASS] = b"iPXE"
        address = bytes.fromhex(self.mac.replace(":", ""))
        return Packet(BOOTREQUEST, xid=self.chance.getrandbits(32), chaddr=address.ljust(16, b"\0"), options=options)


def _token(script: str) -> str:
    found = re.search(r"pxed\.token=(\S+)", script)
    assert found
    return found[1]


def _fetch_together(urls: list[str]) -> list[tuple[str, str]]:
    """What is behind each, with the address of its server; all are asked before the first answer is read."""
    with ExitStack() as end:
        connections = []
        for url in urls:
            parts = urlsplit(url)
            connection = end.enter_context(closing(http.client.HTTPConnection(parts.netloc, timeout=_HTTP_SECONDS)))
            connection.connect()
            connections.append((connection, parts))
        for connection, parts in connections:
            connection.request("GET", parts.path)
        return [(str(parts.hostname), connection.getresponse().read().decode()) for connection, parts in connections]


def _get(url: str, method: str = "GET", body: str | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=_HTTP_SECONDS)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        response = connection.getresponse()
        return response.status, response.read()


def _fetch(url: str) -> None:
    status, _ = _get(url)
    if status != http.client.OK:
        raise Crash


def _ask_patiently(method: str, url: str, body: str | None = None) -> tuple[int, bytes]:
    """As the agent asks: again and again while the service is away."""
    deadline = time.monotonic() + _AGENT_SECONDS
    while True:
        with suppress(OSError, http.client.HTTPException):
            status, content = _get(url, method, body)
            if status < http.client.INTERNAL_SERVER_ERROR:
                return status, content
        if time.monotonic() > deadline:
            raise Crash
        time.sleep(0.05)
