"""DHCP packets (RFC 2131, options of RFC 2132): bytes to `Packet` and back.

`decode` takes any bytes and gives a packet or raises WireError, nothing else. What it gives holds no option 52: the
options of an overloaded `file` or `sname` (RFC 2131 section 4.1) follow the others, and the field itself is empty.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address

from pxed.errors import WireError
from pxed.wire.options import Options, decode_options, encode_options

SMALLEST_PACKET = 300
"""octets; the length of a BOOTP packet (RFC 951 section 3): old relay agents and firmware drop shorter ones"""
SMALLEST_LIMIT = 548
"""octets of UDP payload that every client takes: a datagram of 576 less 28 of IP and UDP header (RFC 2131 section 2)"""
LARGEST_LIMIT = 1472
"""octets of UDP payload in an Ethernet frame; EDK2 drops more (PxeBcDhcp4.h, PXEBC_DHCP4_PACKET_MAX_SIZE)"""
LARGEST_READ = 4096
"""octets; no client sends as much, and joining very many tiny options would take quadratic time"""

BOOTREQUEST = 1
BOOTREPLY = 2
BROADCAST_FLAG = 0x8000

_HEADER = struct.Struct("!BBBBIHHIIII16s64s128sI")
HEADER_SIZE = _HEADER.size
"""octets before the options"""
_MAGIC_COOKIE = 0x63825363
_LONGEST_NAMES = {"sname": 63, "file": 127}


class MessageType(IntEnum):
    """Option 53 (RFC 2132 section 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(IntEnum):
    """Option codes, named as in the RFC that defines them (RFC 2132 where none is given)."""

    SUBNET_MASK = 1
    ROUTER = 3
    DOMAIN_NAME_SERVER = 6
    HOST_NAME = 12
    BOOT_FILE_SIZE = 13
    """never send it: EDK2 believes it in place of TFTP's tsize (PxeBcBoot.c)"""
    DOMAIN_NAME = 15
    ROOT_PATH = 17
    INTERFACE_MTU = 26
    BROADCAST_ADDRESS = 28
    VENDOR_SPECIFIC_INFORMATION = 43
    REQUESTED_IP_ADDRESS = 50
    IP_ADDRESS_LEASE_TIME = 51
    OPTION_OVERLOAD = 52
    DHCP_MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_REQUEST_LIST = 55
    MESSAGE = 56
    MAXIMUM_DHCP_MESSAGE_SIZE = 57
    VENDOR_CLASS_IDENTIFIER = 60
    CLIENT_IDENTIFIER = 61
    TFTP_SERVER_NAME = 66
    BOOTFILE_NAME = 67
    USER_CLASS = 77
    """RFC 3004"""
    RELAY_AGENT_INFORMATION = 82
    """RFC 3046"""
    CLIENT_SYSTEM_ARCHITECTURE = 93
    """RFC 4578"""
    CLIENT_NETWORK_INTERFACE = 94
    """RFC 4578"""
    CLIENT_MACHINE_IDENTIFIER = 97
    """RFC 4578"""
    ETHERBOOT = 175
    """IANA: tentatively assigned to Etherboot; iPXE keeps its encapsulated options there"""


_MESSAGE_TYPES = {bytes((kind,)): kind for kind in MessageType}
_UNSPECIFIED = IPv4Address(0)
# Nearly every address in a packet is 0.0.0.0 or that of a relay or server seen a moment ago.
_address = lru_cache(maxsize=1024)(IPv4Address)


@dataclass(frozen=True, slots=True)
class Packet:
    """One DHCP packet; fields in the order and with the names of RFC 2131 figure 1."""

    op: int
    """BOOTREQUEST or BOOTREPLY"""
    htype: int = 1
    """hardware type, 1 for Ethernet"""
    hlen: int = 6
    """octets of `chaddr` that are the link address, at most 16"""
    hops: int = 0
    xid: int = 0
    """32 bits"""
    secs: int = 0
    """no clock: iPXE keeps flags of its own in it (dhcp_tx in net/udp/dhcp.c)"""
    flags: int = 0
    ciaddr: IPv4Address = _UNSPECIFIED
    yiaddr: IPv4Address = _UNSPECIFIED
    siaddr: IPv4Address = _UNSPECIFIED
    giaddr: IPv4Address = _UNSPECIFIED
    chaddr: bytes = bytes(16)
    """16 octets; echo it whole, since clients that send their GUID use all of it"""
    sname: bytes = b""
    """server name, up to its NUL"""
    file: bytes = b""
    """boot file name, up to its NUL"""
    options: Options = field(default_factory=dict)

    @property
    def message_type(self) -> MessageType | None:
        """Option 53; None in a BOOTP packet and for values that RFC 2132 does not know."""
        return _MESSAGE_TYPES.get(self.options.get(Option.DHCP_MESSAGE_TYPE, b""))

    @property
    def link_address(self) -> bytes:
        """The client's link address, `hlen` octets: a MAC address if that is 6, its GUID if that is 16."""
        return self.chaddr[: self.hlen]

    @property
    def broadcast(self) -> bool:
        """The client asks for broadcast replies (RFC 2131 figure 2)."""
        return bool(self.flags & BROADCAST_FLAG)

    @property
    def largest_reply(self) -> int:
        """Octets of UDP payload that the sender takes, from option 57: SMALLEST_LIMIT to LARGEST_LIMIT.

        RFC 2132 section 9.10 does not say whether the headers count. iPXE and EDK2 leave them out (both send 1472),
        but EDK2's requests on port 67 hold 65280 (DhcpSendMessage); taking 28 off and cutting at one frame is safe
        with either reading.
        """
        value = self.options.get(Option.MAXIMUM_DHCP_MESSAGE_SIZE, b"")
        if len(value) != 2:
            return SMALLEST_LIMIT
        return min(max(int.from_bytes(value) - 28, SMALLEST_LIMIT), LARGEST_LIMIT)

    def address(self, code: int) -> IPv4Address | None:
        """The address in option `code` (50, 54, ...); None if it is absent or not of four octets."""
        value = self.options.get(code, b"")
        return _address(int.from_bytes(value)) if len(value) == 4 else None

    def encode(self, max_size: int = SMALLEST_LIMIT) -> bytes:
        """The packet as a UDP payload of SMALLEST_PACKET to `max_size` octets.

        Options go out in the order of the mapping, except that the relay agent's 82 is last before the end (RFC 3046
        section 2.2). The order is the caller's because firmware depends on it: option 67 needs a NUL counted in its
        length and another option behind it (EDK2 writes a NUL after a value that has none, older ROMs read the 255
        along). If all does not fit, 82 is left out, as RFC 3046 section 2.2 says; what still does not fit, and a field
        that its place cannot hold, is a ValueError: the caller made the packet.
        """
        self._check()
        relay = self.options.get(Option.RELAY_AGENT_INFORMATION)
        if relay is None:
            body = encode_options(self.options)
            tail = b"\xff"
        else:
            others = {code: value for code, value in self.options.items() if code != Option.RELAY_AGENT_INFORMATION}
            body = encode_options(others)
            tail = encode_options({Option.RELAY_AGENT_INFORMATION: relay}) + b"\xff"
            if _HEADER.size + len(body) + len(tail) > max_size:
                tail = b"\xff"
        header = _HEADER.pack(
            self.op,
            self.htype,
            self.hlen,
            self.hops,
            self.xid,
            self.secs,
            self.flags,
            int(self.ciaddr),
            int(self.yiaddr),
            int(self.siaddr),
            int(self.giaddr),
            self.chaddr,
            self.sname,
            self.file,
            _MAGIC_COOKIE,
        )
        data = b"".join((header, body, tail))
        if len(data) > max_size:
            raise ValueError(f"the packet takes {len(data)} octets, and {max_size} is the most here")
        return data.ljust(SMALLEST_PACKET, b"\0")

    def _check(self) -> None:
        """ValueError for what struct would cut short and what a client would read differently."""
        if len(self.chaddr) != 16 or self.hlen > 16:
            raise ValueError("chaddr is 16 octets, and hlen says how many of them count")
        for name, value in (("sname", self.sname), ("file", self.file)):
            if len(value) > _LONGEST_NAMES[name] or b"\0" in value:
                raise ValueError(f"{name} holds at most {_LONGEST_NAMES[name]} octets without a NUL")
        if Option.OPTION_OVERLOAD in self.options:
            raise ValueError("option 52 is not sent: shim and GRUB read the header field `file` as a name")


def decode(data: bytes | bytearray | memoryview) -> Packet:
    """The packet in one UDP payload; WireError if it is none.

    Refused: less than header and magic cookie (BOOTP without options has nothing for a service point), more than
    LARGEST_READ, an `op` or `hlen` that cannot be, options that run past their field, an impossible option 52.
    """
    data = bytes(data)
    if not _HEADER.size <= len(data) <= LARGEST_READ:
        raise WireError(f"{len(data)} octets are no DHCP packet")
    op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, cookie = (
        _HEADER.unpack_from(data)
    )
    if cookie != _MAGIC_COOKIE:
        raise WireError(f"no DHCP packet: magic cookie {cookie:#010x}")
    if not BOOTREQUEST <= op <= BOOTREPLY:
        raise WireError(f"op {op} is neither request nor reply")
    if hlen > 16:
        raise WireError(f"hlen {hlen} is more than chaddr holds")
    options = decode_options(data, _HEADER.size)
    overload = options.pop(Option.OPTION_OVERLOAD, None)
    if overload is not None:
        if overload not in {b"\x01", b"\x02", b"\x03"}:
            raise WireError(f"option 52 holds {overload.hex()}")
        # RFC 3396 section 5: the options field, then file, then sname.
        if overload[0] & 1:
            decode_options(file, 0, options)
            file = b""
        if overload[0] & 2:
            decode_options(sname, 0, options)
            sname = b""
        # Option 52 counts in the options field only; one inside a field would send a reader in circles.
        options.pop(Option.OPTION_OVERLOAD, None)
    return Packet(
        op,
        htype,
        hlen,
        hops,
        xid,
        secs,
        flags,
        _address(ciaddr),
        _address(yiaddr),
        _address(siaddr),
        _address(giaddr),
        chaddr,
        sname.partition(b"\0")[0],
        file.partition(b"\0")[0],
        options,
    )
