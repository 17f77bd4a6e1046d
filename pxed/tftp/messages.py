"""What the service and its TFTP workers tell each other: one JSON object a message on a SOCK_SEQPACKET pair.

    to a worker     configure   settings, without the endpoints
                    listen      an endpoint; the listening socket comes with the message (SCM_RIGHTS)
                    close       an endpoint that is gone
                    counters    asks for them
                    drain       take no more requests, end with the last transfer whose client is not silent
                    stop        break transfers off and end
    from a worker   ready       the settings are in force
                    transfers   some have ended
                    counters    name -> number since the worker started

A worker ends when the pair is closed, so that none outlives the service.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pxed.boot.token import Grant
from pxed.site.boot_image import Cpu
from pxed.tftp.session import Outcome
from pxed.wire.tftp import ErrorCode

Message = dict[str, Any]

IP_PKTINFO = 8
"""linux/in.h; the socket module does not have it"""
MAX_MESSAGE = 192 << 10
"""octets; the kernel's default socket buffers hold one"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests are taken."""

    interface: str
    """its name; empty: not bound to an interface"""
    mtu: int
    """octets"""
    address: str = "0.0.0.0"  # noqa: S104 - the interface says where; the address is for sockets without one
    """IPv4 address that is bound"""


@dataclass(frozen=True, slots=True)
class TftpSettings:
    """What the TFTP server is and grants."""

    workers: int
    """processes, at least 1"""
    endpoints: tuple[Endpoint, ...]
    max_block_size: int
    """octets, RFC 2348"""
    max_window: int
    """blocks, RFC 7440"""
    max_transfers: int
    """at the same time in all workers; each has an equal share"""
    max_transfers_per_client: int
    """at the same time of one IPv4 address; each worker counts for itself"""
    timeout_seconds: float
    """before the first repetition, unless the client asks for another time"""
    retries: int
    """repetitions of one window before a transfer is given up"""
    public_dir: Path
    images_dir: Path
    aliases: Mapping[str, Path]
    """as in `Content`"""
    key: bytes
    """seals tokens"""
    port: int = 69

    def to_message(self) -> Message:
        """The `configure` message."""
        message = {name: getattr(self, name) for name in self.__slots__ if name != "endpoints"}
        return message | {
            "type": "configure",
            "public_dir": str(self.public_dir),
            "images_dir": str(self.images_dir),
            "aliases": {name: str(path) for name, path in self.aliases.items()},
            "key": self.key.hex(),
        }

    @classmethod
    def from_message(cls, message: Message) -> TftpSettings:
        """The reverse of `to_message`."""
        fields = {name: value for name, value in message.items() if name != "type"}
        fields |= {
            "endpoints": (),
            "public_dir": Path(message["public_dir"]),
            "images_dir": Path(message["images_dir"]),
            "aliases": {name: Path(path) for name, path in message["aliases"].items()},
            "key": bytes.fromhex(message["key"]),
        }
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that has ended, or a request that was refused."""

    peer: str
    """`address:port` of the client"""
    local: str
    """our address that was asked"""
    interface: str
    name: str
    """as asked for, normalised if a file was found; printable"""
    grant: Grant | None
    """what allowed it; None for a public file or none at all"""
    sent: int
    """octets of the file that the client has acknowledged"""
    size: int
    """octets of the file; of the converted text in netascii; 0 if refused"""
    seconds: float
    block_size: int
    """octets"""
    window: int
    """blocks"""
    retransmissions: int
    """blocks"""
    outcome: Outcome
    reason: str = ""
    """more about the outcome: what the client said, why it was refused"""
    error: ErrorCode | None = None
    """of a refusal: what the client was told"""

    def to_message(self) -> Message:
        """In a `transfers` message."""
        message = {name: getattr(self, name) for name in self.__slots__}
        if self.grant is not None:
            message["grant"] = asdict(self.grant)
        return message

    @classmethod
    def from_message(cls, message: Message) -> Transfer:
        """The reverse of `to_message`."""
        fields = message | {"outcome": Outcome(message["outcome"])}
        if message["error"] is not None:
            fields["error"] = ErrorCode(message["error"])
        if message["grant"] is not None:
            fields["grant"] = Grant(**message["grant"] | {"cpu": Cpu(message["grant"]["cpu"])})
        return cls(**fields)


def send(channel: socket.socket, message: Message, descriptors: tuple[int, ...] = ()) -> None:
    """One message; BlockingIOError if the other side does not read, BrokenPipeError if it is gone."""
    socket.send_fds(channel, [json.dumps(message).encode()], descriptors)


def receive(channel: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and the descriptors with it; None when the other side has closed."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE, 1)
    except ConnectionResetError:
        return None, []
    return (json.loads(data) if data else None), descriptors
