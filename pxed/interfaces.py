"""The network interfaces that pxed answers on: found by name or MAC address, followed while they come and go.

Nothing is answered elsewhere: every socket is bound to its interface (SO_BINDTODEVICE). What interfaces there are and
which addresses they have is asked anew whenever the kernel says that something changed (rtnetlink(7)).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface

import psutil

from pxed.config import InterfaceConfig

_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_SETTLE_SECONDS = 0.2
"""Changes come in bursts (link up, address, route): one scan after a burst is enough."""
_DATAGRAM_BUFFER = 1 << 20
"""octets of a UDP socket's receive buffer, as far as net.core.rmem_max allows: a storm of some hundred packets waits in
it while something else has its turn"""
BACKLOG = 2048
"""TCP connections that wait to be accepted: a class that is switched on connects at once, and one too many waits a
second and more for its next try."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is up."""

    name: str
    mac: str
    mtu: int
    """octets"""
    addresses: tuple[IPv4Interface, ...]
    """IPv4, in the kernel's order: the first is the primary one"""


def scan() -> dict[str, Interface]:
    """All interfaces that are up, by name."""
    stats = psutil.net_if_stats()
    found = {}
    for name, entries in psutil.net_if_addrs().items():
        if name not in stats or not stats[name].isup:
            continue
        mac = next((entry.address.lower() for entry in entries if entry.family == psutil.AF_LINK), "")
        addresses = tuple(
            IPv4Interface(f"{entry.address}/{entry.netmask or '255.255.255.255'}")
            for entry in entries
            if entry.family == socket.AF_INET
        )
        found[name] = Interface(name, mac, stats[name].mtu, addresses)
    return found


def select(wanted: Iterable[InterfaceConfig], present: Mapping[str, Interface]) -> tuple[list[Interface], list[str]]:
    """Those of `present` that the configuration names, and a sentence for each that is missing or has no address."""
    chosen: list[Interface] = []
    missing: list[str] = []
    for entry in wanted:
        if entry.name:
            interface = present.get(entry.name)
        else:
            interface = next((one for one in present.values() if one.mac == entry.mac), None)
        if interface is None:
            names = ", ".join(sorted(present)) or "none"
            missing.append(f"interface {entry} does not exist, is down or has no cable; those that are up: {names}")
        elif not interface.addresses:
            missing.append(f"interface {entry} has no IPv4 address yet; of a bridge or bond, name that, not its ports")
        elif interface not in chosen:
            chosen.append(interface)
    return chosen, missing


async def changes() -> AsyncIterator[None]:
    """Yields after every burst of changes to links or IPv4 addresses, until cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR))
        while True:
            await _receive(loop, netlink)
            await asyncio.sleep(_SETTLE_SECONDS)
            _drain(netlink)
            yield


async def _receive(loop: asyncio.AbstractEventLoop, netlink: socket.socket) -> None:
    with suppress(OSError):  # ENOBUFS: messages were lost, which is a change as well
        await loop.sock_recv(netlink, 65536)


def _drain(netlink: socket.socket) -> None:
    while True:
        try:
            netlink.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            continue


def bind_udp(interface: str, address: str, port: int, *, shared: bool = False) -> socket.socket:
    """A non-blocking UDP socket on `address`:`port` of one interface, able to broadcast.

    OSError as bind(2) gives it. `shared` lets another socket of ours hold the same port on another address.
    """
    return _bound(socket.SOCK_DGRAM, interface, address, port, shared=shared)


def listen_tcp(interface: str, port: int) -> socket.socket:
    """A non-blocking TCP socket that accepts connections to `port` arriving on one interface."""
    listener = _bound(socket.SOCK_STREAM, interface, "0.0.0.0", port, shared=True)  # noqa: S104 - bound to a device
    listener.listen(BACKLOG)
    return listener


def _bound(kind: int, interface: str, address: str, port: int, *, shared: bool) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        if interface:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        if kind == socket.SOCK_DGRAM:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _DATAGRAM_BUFFER)
        if shared:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        endpoint.bind((address, port))
    except BaseException:
        endpoint.close()
        raise
    return endpoint
