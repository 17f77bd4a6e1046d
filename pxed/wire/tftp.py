"""TFTP packets: bytes to frozen dataclasses and back (RFC 1350, options RFC 2347).

    RRQ, WRQ   opcode 1, 2 | name NUL | mode NUL | (option NUL value NUL)*
    DATA       opcode 3    | block number | 0 to blksize octets
    ACK        opcode 4    | block number
    ERROR      opcode 5    | code | text NUL
    OACK       opcode 6    | (option NUL value NUL)*

All integers are 16 bits, big-endian. Text is read as Latin-1, so that any octets survive a round trip. The data path
of the server handles ACK and DATA in place, without objects; this codec is for everything else, and for clients.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pxed.errors import WireError

MAX_REQUEST = 1024
"""Octets of a request or OACK that are read. RFC 2347 ends requests at 512, but a name that carries a token and follows
the directories of a boot loader, with six options after it, comes near that, and senders do not count."""

Options = tuple[tuple[str, str], ...]
"""(name in lower case, value) in the order of the packet"""

_U16 = struct.Struct("!H")
_HEADER = struct.Struct("!HH")


class Opcode(IntEnum):
    """RFC 1350 section 5, RFC 2347."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(IntEnum):
    """RFC 1350 appendix I, RFC 2347."""

    UNDEFINED = 0
    NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_REFUSED = 8


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """RRQ; `mode` and option names in lower case, `name` as it came."""

    name: bytes
    mode: str
    options: Options = ()


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """WRQ, fields as in `ReadRequest`."""

    name: bytes
    mode: str
    options: Options = ()


@dataclass(frozen=True, slots=True)
class Data:
    """DATA."""

    block: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK."""

    block: int


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR; `code` is mostly an `ErrorCode`, but any 16 bits may come."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class OptionAck:
    """OACK."""

    options: Options


Packet = ReadRequest | WriteRequest | Data | Ack | Error | OptionAck


def decode(datagram: bytes) -> Packet:
    """The packet in `datagram`, of any octets; WireError if it is none."""
    opcode = _u16(datagram, 0, "opcode")
    match opcode:
        case Opcode.RRQ:
            return ReadRequest(*_request(datagram))
        case Opcode.WRQ:
            return WriteRequest(*_request(datagram))
        case Opcode.DATA:
            return Data(_u16(datagram, 2, "block number"), datagram[4:])
        case Opcode.ACK:
            return Ack(_u16(datagram, 2, "block number"))
        case Opcode.ERROR:
            # The NUL after the text is missing in ERROR packets of some boot ROMs.
            return Error(_u16(datagram, 2, "error code"), datagram[4:].partition(b"\0")[0].decode("latin-1"))
        case Opcode.OACK:
            return OptionAck(_options(_strings(datagram)))
    raise WireError(f"TFTP opcode {opcode} does not exist")


def encode(packet: Packet) -> bytes:
    """`packet` as a datagram; ValueError for text that Latin-1 or the format cannot hold."""
    match packet:
        case ReadRequest(name, mode, options):
            return _U16.pack(Opcode.RRQ) + _joined([name, mode.encode("latin-1")]) + _encode_options(options)
        case WriteRequest(name, mode, options):
            return _U16.pack(Opcode.WRQ) + _joined([name, mode.encode("latin-1")]) + _encode_options(options)
        case Data(block, payload):
            return _HEADER.pack(Opcode.DATA, block) + payload
        case Ack(block):
            return _HEADER.pack(Opcode.ACK, block)
        case Error(code, text):
            return _HEADER.pack(Opcode.ERROR, code) + _joined([text.encode("latin-1")])
        case OptionAck(options):
            return _U16.pack(Opcode.OACK) + _encode_options(options)


def _u16(datagram: bytes, offset: int, what: str) -> int:
    try:
        return int(_U16.unpack_from(datagram, offset)[0])
    except struct.error:
        raise WireError(f"TFTP packet of {len(datagram)} octets ends before its {what}") from None


def _request(datagram: bytes) -> tuple[bytes, str, Options]:
    strings = _strings(datagram)
    if len(strings) < 2:
        raise WireError("TFTP request without name and mode")
    name, mode, *rest = strings
    return name, mode.decode("latin-1").lower(), _options(rest)


def _strings(datagram: bytes) -> list[bytes]:
    """The NUL-terminated strings after the opcode."""
    if len(datagram) > MAX_REQUEST:
        raise WireError(f"TFTP request of {len(datagram)} octets, more than {MAX_REQUEST}")
    *strings, unterminated = datagram[2:].split(b"\0")
    if unterminated:
        raise WireError("TFTP string without a NUL at its end")
    return strings


def _options(strings: list[bytes]) -> Options:
    """`strings` in pairs. An empty option name ends them: senders pad requests with NULs."""
    options = []
    for index in range(0, len(strings), 2):
        if not strings[index]:
            break
        if index + 1 == len(strings):
            raise WireError("TFTP option without a value")
        options.append((strings[index].decode("latin-1").lower(), strings[index + 1].decode("latin-1")))
    return tuple(options)


def _encode_options(options: Options) -> bytes:
    if any(not name for name, _ in options):
        raise ValueError("a TFTP option needs a name")
    return _joined([text.encode("latin-1") for option in options for text in option])


def _joined(strings: list[bytes]) -> bytes:
    if any(b"\0" in string for string in strings):
        raise ValueError("a TFTP string cannot hold NUL")
    return b"".join(string + b"\0" for string in strings)
