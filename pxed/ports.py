"""The ports of a service point: which it needs, who else may hold them, and what would be right then."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import psutil

from pxed.config import Config
from pxed.errors import NotPermitted, PxedError, Unavailable

DHCP_SERVER = 67
DHCP_CLIENT = 68
BOOT_SERVER = 4011


@dataclass(frozen=True, slots=True)
class Port:
    """One port that the configuration asks for."""

    key: str
    """the key of the configuration that it comes from"""
    protocol: str
    """UDP or TCP"""
    number: int
    advice: str
    """what would be right if another program has it"""


def dhcp_port() -> Port:
    """Where firmware's DISCOVER comes in."""
    return Port(
        "responder.listen_dhcp",
        "UDP",
        DHCP_SERVER,
        "a DHCP server on this host keeps it: set responder.listen_dhcp = false, and let that server send PXE clients "
        "option 60 = PXEClient, no file name, and siaddr 0 or this host's address",
    )


def boot_server_port() -> Port:
    """Where firmware asks for the boot file."""
    return Port("responder", "UDP", BOOT_SERVER, "another PXE server on this host has to go")


def http_port(config: Config) -> Port:
    """Boot scripts, boot images, agents."""
    return Port("http.port", "TCP", config.http.port, "choose another with http.port")


def https_port(config: Config) -> Port:
    """The same over TLS."""
    return Port("https.port", "TCP", config.https.port, "choose another with https.port")


def tftp_port(config: Config) -> Port:
    """Boot loaders."""
    return Port("tftp.port", "UDP", config.tftp.port, "another TFTP server on this host has to go")


def refusal(error: OSError, port: Port, interface: str) -> PxedError:
    """Why `port` could not be bound on `interface`, with what would be right."""
    where = f"{port.protocol} port {port.number} on {interface}"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port.protocol, port.number)
        return Unavailable(f"{where} is taken{f' by {holder}' if holder else ''}; {port.advice}")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return NotPermitted(f"{where} needs root or CAP_NET_BIND_SERVICE")
    return Unavailable(f"{where} cannot be opened: {error.strerror}")


def holder_of(protocol: str, port: int) -> str:
    """The program that has `port` of `protocol` (UDP, TCP) open, as `name (process 123)`; empty if that cannot be seen.

    Other users' processes are seen by root only.
    """
    try:
        connections = psutil.net_connections(f"{protocol.lower()}4")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.pid and connection.laddr and connection.laddr.port == port and not connection.raddr:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.Error:
                continue
    return ""
