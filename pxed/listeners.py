"""The sockets of a service point, opened and closed as its interfaces come and go.

For every interface: one socket for broadcasts to port 67, one on port 67 and one on port 4011 for each address (so that
a reply leaves from the address that was asked), and one for HTTP. TFTP is bound by its workers. All are bound to their
interface, so nothing is answered elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from pxed.config import Config
from pxed.errors import PxedError
from pxed.interfaces import Interface, bind_udp, listen_tcp
from pxed.ports import Port, boot_server_port, dhcp_port, http_port, https_port, refusal
from pxed.responder.endpoint import Answerer, Endpoint
from pxed.responder.fastpath import FastPath
from pxed.responder.place import Place
from pxed.web.server import WebServer

log = logging.getLogger("pxed.listeners")

_ANY = "0.0.0.0"  # noqa: S104 - always together with SO_BINDTODEVICE


@dataclass(slots=True)
class _Bound:
    """The open sockets of one interface."""

    endpoints: list[Endpoint] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    http: list[tuple[socket.socket, ssl.SSLContext | None]] = field(default_factory=list)
    """listening TCP sockets, those for TLS with their context"""

    def close(self) -> None:
        """Gives the ports back."""
        for one in (*self.sockets, *(listener for listener, _ in self.http)):
            one.close()


class Listeners:
    """Keeps the sockets in step with the interfaces."""

    def __init__(self, config: Config, answerer: Answerer, tls: ssl.SSLContext | None) -> None:
        self._config = config
        self._answerer = answerer
        self._tls = tls
        self.fast_path_of: Callable[[Endpoint], FastPath | None] = lambda _: None
        """makes the fast path of an endpoint, if it can have one"""
        self._bound: dict[Interface, _Bound] = {}
        self._serving: dict[Interface, asyncio.Task[None]] = {}

    @property
    def interfaces(self) -> list[Interface]:
        """Those that are listened on."""
        return list(self._bound)

    def bind(self, interface: Interface) -> None:
        """Opens the sockets of `interface`; Unavailable or NotPermitted says which port and what would be right."""
        bound = _Bound()
        try:
            addresses = [str(address.ip) for address in interface.addresses]
            if self._config.responder.listen_dhcp:
                self._bind_udp(bound, interface, dhcp_port(), [_ANY, *addresses])
            self._bind_udp(bound, interface, boot_server_port(), addresses)
            self._listen(bound, interface, http_port(self._config), None)
            if self._tls is not None:
                self._listen(bound, interface, https_port(self._config), self._tls)
        except BaseException:
            bound.close()
            raise
        self._bound[interface] = bound

    async def serve(self, interface: Interface, server: WebServer) -> None:
        """Answers on a bound interface until cancelled or until it is gone."""
        bound = self._bound[interface]
        try:
            with ExitStack() as stack:
                for listener, tls in bound.http:
                    stack.enter_context(server.accepting(listener, interface.name, tls))
                async with asyncio.TaskGroup() as tasks:
                    for endpoint in bound.endpoints:
                        tasks.create_task(endpoint.serve(self.fast_path_of(endpoint)))
                    await asyncio.Event().wait()
        finally:
            bound.close()

    def start(self, interface: Interface, server: WebServer, tasks: asyncio.TaskGroup) -> None:
        """Begins to answer on a bound interface."""
        self._serving[interface] = tasks.create_task(self.serve(interface, server), name=f"listen {interface.name}")

    async def follow(self, wanted: Iterable[Interface], server: WebServer, tasks: asyncio.TaskGroup) -> bool:
        """Drops what is gone or has changed, opens what is new; True if everything wanted is listened on."""
        wanted = list(wanted)
        gone = [one for one in self._bound if one not in wanted]
        for interface in gone:
            log.warning("no longer answering on %s", _described(interface), extra={"iface": interface.name})
        await self._stop(gone)  # what has only changed wants the same ports
        complete = True
        for interface in wanted:
            if interface in self._bound:
                continue
            try:
                self.bind(interface)
            except PxedError as error:
                log.error("%s", error, extra={"iface": interface.name})
                complete = False
            else:
                self.start(interface, server, tasks)
                log.info("answering on %s", _described(interface), extra={"iface": interface.name})
        return complete

    async def stop_all(self) -> None:
        """Closes all sockets, and returns when nothing listens any more; requests under way go on."""
        await self._stop(self.interfaces)

    async def _stop(self, interfaces: Sequence[Interface]) -> None:
        """Closes the sockets of `interfaces`, and returns when their ports are free."""
        bound = [self._bound.pop(interface) for interface in interfaces]
        serving = [self._serving.pop(interface) for interface in interfaces if interface in self._serving]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for one in bound:  # also of a task that never came to its first step
            one.close()

    def forget_answers(self) -> None:
        """Answers are other ones from now on."""
        for bound in self._bound.values():
            for endpoint in bound.endpoints:
                endpoint.forget()

    def unsent(self) -> int:
        """Answers that the kernel did not take, on all present endpoints."""
        return sum(endpoint.unsent for bound in self._bound.values() for endpoint in bound.endpoints)

    @staticmethod
    def _listen(bound: _Bound, interface: Interface, port: Port, tls: ssl.SSLContext | None) -> None:
        try:
            bound.http.append((listen_tcp(interface.name, port.number), tls))
        except OSError as error:
            raise refusal(error, port, interface.name) from None

    def _bind_udp(self, bound: _Bound, interface: Interface, port: Port, addresses: list[str]) -> None:
        try:
            # Our own sockets of one port share it with SO_REUSEADDR, with which another program's would go unnoticed.
            bind_udp(interface.name, _ANY, port.number).close()
            for address in addresses:
                endpoint = bind_udp(interface.name, address, port.number, shared=True)
                bound.sockets.append(endpoint)
                ours = interface.addresses[0].ip if address == _ANY else IPv4Address(address)
                bound.endpoints.append(Endpoint(endpoint, Place(interface, port.number, ours), self._answerer))
        except OSError as error:
            raise refusal(error, port, interface.name) from None


def _described(interface: Interface) -> str:
    return f"{interface.name} ({', '.join(str(address) for address in interface.addresses)})"
