"""Where a request arrived: the address of ours that the client can reach, taken from the connection itself.

The Host header is the client's word and is not asked.
"""

from __future__ import annotations

import asyncio
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
    address, port = transport.get_extra_info("sockname")[:2]
    encrypted = is_encrypted(transport)
    base_url = f"{'https' if encrypted else 'http'}://{address}:{port}"
    peer = peer_text(transport.get_extra_info("peername"))
    return Origin(base_url, address, encrypted, request.app[INTERFACE_OF](address), peer)


def peer_text(peer: Peer) -> str:
    """A client as logs name it."""
    return f"{peer[0]}:{peer[1]}"


def is_encrypted(transport: asyncio.BaseTransport) -> bool:
    """Whether a connection is TLS."""
    return transport.get_extra_info("sslcontext") is not None
