"""One machine of a boot storm: what UEFI firmware and iPXE send, in order, and what they wait for.

A machine's life is a generator: it yields what it waits for and is told whether that came in time.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple
from urllib.parse import urlsplit

from bench import noise
from bench.answers_load import FIRMWARE, guid_of, mac_of
from bench.network import SERVER
from pxed.wire.dhcp import BROADCAST_FLAG, MessageType, Option, Packet, decode
from pxed.wire.pxe import encode_client_guid
from pxed.wire.tftp import Opcode, ReadRequest, encode

_TO_ALL = ("255.255.255.255", 67)
_BOOT_SERVER = (SERVER, 4011)
_TFTP = (SERVER, 69)
_FIRMWARE_WAITS = (4.0, 8.0, 16.0, 32.0)
"""seconds for an answer, then once more: EDK2 UefiPxeBcDxe/PxeBcDhcp4.c, mPxeDhcpTimeout"""
_IPXE_WAITS = (1.0, 2.0, 4.0, 8.0)
_TFTP_WAIT, _TFTP_TRIES = 1.0, 10
_HTTP_WAIT = 60.0
"""seconds without an octet after which a download has failed"""
_BLOCK = {1: 1432, 4: 1468}
"""octets of a TFTP block by window: iPXE's in lock step, EDK2's"""
_READS = 4
"""how often a machine reads before the others have their turn"""
TIMESTAMP = 35
"""SO_TIMESTAMPNS"""
_TIMESPEC = struct.Struct("qq")
_HEADER = struct.Struct("!HH")
_DATAGRAM = 2048
_buffer = memoryview(bytearray(noise.READ))


class Stage(StrEnum):
    """What of a boot is timed."""

    ANSWER = "an answer of port 67 or 4011"
    BUSY = "an answer while images are on their way"
    LOADER = "the boot loader by TFTP"
    SCRIPT = "the boot script"
    IMAGE = "the boot image by HTTP"
    TFTP_IMAGE = "the boot image by TFTP"


@dataclass(frozen=True)
class Order:
    """The storm."""

    machines: int
    spread: float
    """seconds over which they are switched on, evenly"""
    loader: str
    loader_size: int
    files: dict[str, int]
    """of the boot image, with their octets"""
    tftp_every: int = 0
    """every so manyth machine loads its boot image by TFTP; 0 for none"""


class Wait(NamedTuple):
    """What a machine waits for."""

    descriptor: int | None
    """a socket; None for the next answer that is sent to all"""
    seconds: float
    events: int = select.EPOLLIN


class Failed(Exception):
    """The machine gives up."""


Life = Generator[Wait, bool, None]
Step = Generator[Wait, bool, bytes]


@dataclass
class Journal:
    """What the machines went through."""

    took: dict[Stage, list[float]] = field(default_factory=lambda: {stage: [] for stage in Stage})
    """seconds"""
    octets: int = 0
    """of boot images"""
    repeated: int = 0
    """packets that were sent again, since no answer came in time"""
    loading: int = 0
    """machines that load their boot image now"""


class Machine:
    """`broadcast` is the socket on port 68 that all share: an answer to all reaches the machine as `heard`."""

    def __init__(self, number: int, order: Order, broadcast: socket.socket, journal: Journal) -> None:
        self.number = number
        self.xid = 0
        self.heard = (b"", 0.0)
        """the latest answer to all with its `xid`, and when it arrived (Unix seconds)"""
        self._order = order
        self._broadcast = broadcast
        self._journal = journal
        self._address = str(IPv4Address("10.98.1.0") + number)

    def life(self) -> Life:
        """From power-on to the last octet of the boot image; Failed if it does not get there."""
        yield from self._discover(FIRMWARE, _FIRMWARE_WAITS)
        loader = (yield from self._ask_boot_server()).rstrip(b"\0").decode()
        with self._timed(Stage.LOADER):
            yield from self._by_tftp(loader, self._order.loader, self._order.loader_size, window=4)
        url = urlsplit((yield from self._discover(_IPXE, _IPXE_WAITS)).decode())
        with closing(self._socket(socket.SOCK_STREAM)) as connection:
            with self._timed(Stage.SCRIPT):
                yield from self._connect(connection, url.port or 80)
                script = yield from self._by_http(connection, url.path)
            yield from self._load_image(connection, _files_of(script))

    def _load_image(self, connection: socket.socket, paths: dict[str, str]) -> Life:
        if paths.keys() != self._order.files.keys():
            raise Failed(f"the script names {sorted(paths)}")
        by_tftp = self._order.tftp_every and not self.number % self._order.tftp_every
        with self._timed(Stage.TFTP_IMAGE if by_tftp else Stage.IMAGE):
            self._journal.loading += 1
            try:
                for name, path in paths.items():
                    size = self._order.files[name]
                    if by_tftp:
                        yield from self._by_tftp(path.lstrip("/"), name, size, window=1)
                    else:
                        yield from self._by_http(connection, path, name, size)
                    self._journal.octets += size
            finally:
                self._journal.loading -= 1

    def _discover(self, options: dict[int, bytes], waits: tuple[float, ...]) -> Step:
        """The boot file's name in the offer."""
        self.xid += 1
        packet = self._packet(MessageType.DISCOVER, options, "0.0.0.0", BROADCAST_FLAG)  # noqa: S104 - no address yet
        begun, busy = time.time(), self._journal.loading > 0
        for wait in waits:
            self._broadcast.sendto(packet, _TO_ALL)
            if (yield Wait(None, wait)):
                data, arrived = self.heard
                self._note(arrived - begun, busy)
                return decode(data).options.get(Option.BOOTFILE_NAME, b"").rstrip(b"\0")
            self._journal.repeated += 1
        raise Failed("no offer")

    def _ask_boot_server(self) -> Step:
        """The boot file's name in the answer of port 4011, which EDK2 asks from the same port."""
        self.xid += 1
        packet = self._packet(MessageType.REQUEST, FIRMWARE, self._address, 0)
        with closing(self._socket(socket.SOCK_DGRAM, 4011)) as endpoint:
            endpoint.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
            begun, busy = time.time(), self._journal.loading > 0
            for wait in _FIRMWARE_WAITS:
                endpoint.sendto(packet, _BOOT_SERVER)
                if (yield Wait(endpoint.fileno(), wait)):
                    data, arrived = receive(endpoint)
                    self._note(arrived - begun, busy)
                    return decode(data).options.get(Option.BOOTFILE_NAME, b"")
                self._journal.repeated += 1
        raise Failed("no answer on 4011")

    def _by_tftp(self, name: str, file: str, size: int, window: int) -> Life:
        """Takes the file `name`, which has the octets of `file`."""
        block_size = _BLOCK[window]
        options = (("tsize", "0"), ("blksize", str(block_size))) + (
            (("windowsize", str(window)),) if window > 1 else ()
        )
        packet, peer = encode(ReadRequest(name.encode(), "octet", options)), _TFTP
        received = block = tries = 0
        with closing(self._socket(socket.SOCK_DGRAM)) as endpoint:
            endpoint.sendto(packet, peer)
            while True:
                if not (yield Wait(endpoint.fileno(), _TFTP_WAIT)):
                    tries += 1
                    if tries == _TFTP_TRIES:
                        raise Failed(f"{file} by TFTP stopped after {received} octets")
                    self._journal.repeated += 1
                    endpoint.sendto(packet, peer)
                    continue
                for data, sender in _datagrams(endpoint):
                    opcode, number = _HEADER.unpack_from(data)
                    if opcode == Opcode.OACK and not block:
                        packet, peer = _HEADER.pack(Opcode.ACK, 0), sender
                        endpoint.sendto(packet, peer)
                    elif opcode == Opcode.ERROR:
                        raise Failed(f"{file} by TFTP: {data[4:-1].decode('latin-1')}")
                    elif opcode == Opcode.DATA and number == (block + 1) % 65536:
                        tries, payload = 0, memoryview(data)[4:]
                        if not noise.matches(payload, file, received):
                            raise Failed(f"wrong octets in {file} by TFTP")
                        block, received = block + 1, received + len(payload)
                        packet = _HEADER.pack(Opcode.ACK, number)
                        last = len(payload) < block_size
                        if last or not block % window:
                            endpoint.sendto(packet, peer)
                        if last:
                            if received != size:
                                raise Failed(f"{file} by TFTP has {received} octets")
                            return

    def _connect(self, connection: socket.socket, port: int) -> Life:
        connection.connect_ex((SERVER, port))
        if not (yield Wait(connection.fileno(), _HTTP_WAIT, select.EPOLLOUT)):
            raise Failed("no connection")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Failed("connection refused")

    def _by_http(self, connection: socket.socket, path: str, file: str = "", size: int = 0) -> Step:
        """Takes `path`; what is a `file` is compared and forgotten, a script is returned."""
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {SERVER}\r\nUser-Agent: iPXE\r\n\r\n".encode())
        received = yield from self._head(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if head.split(b" ", 2)[1] != b"200" or length is None:
            raise Failed(f"{head.splitlines()[0].decode()} for {file or 'the script'}")
        wanted = int(length[1])
        if not file:
            while len(body) < wanted:
                body += yield from self._some(connection)
            return body
        if wanted != size or not noise.matches(body, file, 0):
            raise Failed(f"wrong octets or length of {file}")
        at = len(body)
        while at < size:
            for _ in range(_READS):
                try:
                    count = connection.recv_into(_buffer)
                except BlockingIOError:
                    break
                if not count or not noise.matches(_buffer[:count], file, at):
                    raise Failed(f"wrong octets or none in {file} at {at} of {size}")
                at += count
            if at < size and not (yield Wait(connection.fileno(), _HTTP_WAIT)):
                raise Failed(f"{file} stopped at {at} of {size} octets")
        return b""

    def _head(self, connection: socket.socket) -> Step:
        received = b""
        while b"\r\n\r\n" not in received:
            received += yield from self._some(connection)
        return received

    @staticmethod
    def _some(connection: socket.socket) -> Step:
        if not (yield Wait(connection.fileno(), _HTTP_WAIT)):
            raise Failed("no answer over HTTP")
        data = connection.recv(4096)
        if not data:
            raise Failed("HTTP connection closed")
        return data

    def _socket(self, kind: int, port: int = 0) -> socket.socket:
        made = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
        made.bind((self._address, port))
        return made

    def _packet(self, message_type: MessageType, options: dict[int, bytes], address: str, flags: int) -> bytes:
        number = self.number
        return Packet(
            1,
            xid=number << 2 | self.xid,
            flags=flags,
            ciaddr=IPv4Address(address),
            chaddr=mac_of(number) + bytes(10),
            options={
                Option.DHCP_MESSAGE_TYPE: bytes((message_type,)),
                **options,
                Option.CLIENT_MACHINE_IDENTIFIER: encode_client_guid(guid_of(number)),
            },
        ).encode()

    def _note(self, seconds: float, busy: bool) -> None:
        self._journal.took[Stage.ANSWER].append(seconds)
        if busy:
            self._journal.took[Stage.BUSY].append(seconds)

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._journal.took[stage].append(time.monotonic() - begun)


_IPXE = {**FIRMWARE, Option.USER_CLASS: b"iPXE", Option.ETHERBOOT: bytes.fromhex("eb03011501 130101 150101")}


def receive(endpoint: socket.socket) -> tuple[bytes, float]:
    """A datagram and when the kernel got it (Unix seconds); BlockingIOError if there is none."""
    data, ancillary, _, _ = endpoint.recvmsg(_DATAGRAM, 64)
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
    return data, seconds + nanoseconds / 1e9


def _datagrams(endpoint: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    while True:
        try:
            yield endpoint.recvfrom(_DATAGRAM)
        except BlockingIOError:
            return


def _files_of(script: bytes) -> dict[str, str]:
    """Paths of kernel and initial RAM disks by name, as the boot script has them."""
    found = re.findall(r"^(?:kernel|initrd) --name (\S+) (http://\S+)", script.decode(), re.MULTILINE)
    if not found:
        raise Failed("script: " + " ".join(script.decode().split("\n")[1:2]))
    return {name: urlsplit(url).path for name, url in found}
