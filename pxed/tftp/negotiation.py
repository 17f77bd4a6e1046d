"""The terms of one TFTP read: what a request asks for (RFC 2347, 2348, 2349, 7440), as far as the server grants it."""

from __future__ import annotations

from dataclasses import dataclass

from pxed.wire.tftp import ErrorCode, OptionAck, Options, ReadRequest

DEFAULT_BLOCK_SIZE = 512
"""octets, RFC 1350"""
_IP_UDP_TFTP_HEADERS = 32
"""octets of a DATA packet before its payload, IPv4: 20 + 8 + 4"""
_MAX_WINDOW = 32767
"""Half of the block numbers: with more in flight, a late ACK could not be told from a new one."""


class Refusal(Exception):
    """A request that is answered with an ERROR packet of this code and text; `reason` says more, in the log only."""

    def __init__(self, code: ErrorCode, text: str, reason: str = "") -> None:
        self.code = code
        self.text = text
        self.reason = reason or text
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server grants at most."""

    max_block_size: int
    """octets"""
    mtu: int
    """octets, of the route to the client"""
    max_window: int
    """blocks"""
    timeout: float
    """seconds before the first repetition if the client asks for nothing else"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed."""

    netascii: bool
    block_size: int
    """octets"""
    window: int
    """blocks"""
    timeout: float
    """seconds"""
    accepted: Options
    """what the OACK says; the value of tsize is filled in by `reply`"""

    @property
    def tells_size(self) -> bool:
        """The client asked for tsize and gets it."""
        return any(name == "tsize" for name, _ in self.accepted)

    def reply(self, size: int) -> OptionAck:
        """The OACK for a file of `size` octets."""
        return OptionAck(tuple((name, str(size) if name == "tsize" else value) for name, value in self.accepted))


def negotiate(request: ReadRequest, limits: Limits) -> Terms:
    """The terms for `request`; Refusal if its mode is unknown or an option has a value that its RFC rules out.

    Unknown options are left out silently (RFC 2347); tsize counts octets on the wire, which netascii does not tell.
    """
    if request.mode not in {"octet", "netascii"}:
        raise Refusal(ErrorCode.ILLEGAL_OPERATION, "mode is neither octet nor netascii")
    netascii = request.mode == "netascii"
    asked = dict(request.options)
    if len(asked) != len(request.options):
        raise Refusal(ErrorCode.OPTION_REFUSED, "an option is given twice")
    block_size, window, timeout = DEFAULT_BLOCK_SIZE, 1, limits.timeout
    accepted = []
    for name, text in request.options:
        match name:
            case "blksize":
                fitting = min(limits.max_block_size, limits.mtu - _IP_UDP_TFTP_HEADERS)
                block_size = value = min(_number(name, text, 8, 65464), fitting)
            case "windowsize":
                window = value = min(_number(name, text, 1, 65535), limits.max_window, _MAX_WINDOW)
            case "timeout":
                timeout = value = _number(name, text, 1, 255)
            case "tsize":
                value = _number(name, text, 0, 2**63)
                if netascii:
                    continue
            case _:
                continue
        accepted.append((name, str(value)))
    return Terms(netascii, block_size, window, timeout, tuple(accepted))


def _number(name: str, text: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and lowest <= int(text) <= highest):
        raise Refusal(ErrorCode.OPTION_REFUSED, f"{name} is not a number from {lowest} to {highest}")
    return int(text)
