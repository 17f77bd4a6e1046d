"""Where a request arrived: the address of ours that the client can reach, taken from the connection itself.

The Host header is the client's word and is not asked.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

InterfaceOf = Callable[[str], str]
"""Name of the interface that has an address; empty if none has."""

Peer = tuple[str, int]
"""a client's address and port"""

INTERFACE_OF: web.AppKey[InterfaceOf] = web.AppKey("INTERFACE_OF")


@dataclass(frozen=True, slots=True)
class Origin:
    """One connection, seen from the server."""

    base_url: str
    """http://<our address>:<port>, or https://"""
    address: str
    """ours"""
    encrypted: bool
    interface: str
    peer: str
    """the client's address and port"""


def origin_of(request: web.Request) -> Origin:
    """The connection of `request`."""
    transport = request.transport
    if transport is None:
        raise web.HTTPRequestTimeout
    ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    return _origin(ours, theirs, request.app[INTERFACE_OF], encrypted=is_encrypted(transport))


def origin_of_socket(connection: socket.socket, peer: Peer, interface_of: InterfaceOf) -> Origin:
    """A connection over TCP that is not encrypted."""
    return _origin(connection.getsockname(), peer, interface_of, encrypted=False)


def is_encrypted(transport: asyncio.BaseTransport) -> bool:
    """Whether a connection is TLS."""
    return transport.get_extra_info("sslcontext") is not None


def _origin(ours: Peer, theirs: Peer, interface_of: InterfaceOf, *, encrypted: bool) -> Origin:
    address, port = ours[:2]
    base_url = f"{'https' if encrypted else 'http'}://{address}:{port}"
    return Origin(base_url, address, encrypted, interface_of(address), f"{theirs[0]}:{theirs[1]}")
