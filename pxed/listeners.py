"""The sockets of a service point, opened and closed as its interfaces come and go.

For every interface: one socket for broadcasts to port 67, one on port 67 and one on port 4011 for each address (so that
a reply leaves from the address that was asked), and one for HTTP. TFTP is bound by its workers. All are bound to their
interface, so nothing is answered elsewhere.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web

from pxed.config import Config
from pxed.errors import NotPermitted, Unavailable
from pxed.interfaces import Interface, bind_udp, listen_tcp
from pxed.ports import holder_of
from pxed.responder.answer import BOOT_SERVER, DHCP_SERVER
from pxed.responder.endpoint import Answerer, Endpoint, Place

log = logging.getLogger("pxed.listeners")

_ANY = "0.0.0.0"  # noqa: S104 - always together with SO_BINDTODEVICE


@dataclass(slots=True)
class _Bound:
    """The open sockets of one interface."""

    endpoints: list[Endpoint] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    http: socket.socket | None = None

    def close(self) -> None:
        """Gives the ports back."""
        for one in (*self.sockets, *([self.http] if self.http else [])):
            one.close()


class Listeners:
    """Keeps the sockets in step with the interfaces."""

    def __init__(self, config: Config, answerer: Answerer) -> None:
        self._config = config
        self._answerer = answerer
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
            if self._config.responder.listen_dhcp:
                self._bind_udp(bound, interface, DHCP_SERVER, [_ANY, *(str(a.ip) for a in interface.addresses)])
            self._bind_udp(bound, interface, BOOT_SERVER, [str(address.ip) for address in interface.addresses])
            port = self._config.http.port
            try:
                bound.http = listen_tcp(interface.name, port)
            except OSError as error:
                raise _refusal(error, "TCP", port, interface, "choose another with http.port") from None
        except BaseException:
            bound.close()
            raise
        self._bound[interface] = bound

    async def serve(self, interface: Interface, runner: web.AppRunner) -> None:
        """Answers on a bound interface until cancelled or until it is gone."""
        bound = self._bound[interface]
        assert bound.http is not None  # noqa: S101 - bind() filled it
        site = web.SockSite(runner, bound.http)
        await site.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for endpoint in bound.endpoints:
                    tasks.create_task(endpoint.serve())
                await asyncio.Event().wait()
        finally:
            await site.stop()
            bound.close()

    def start(self, interface: Interface, runner: web.AppRunner, tasks: asyncio.TaskGroup) -> None:
        """Begins to answer on a bound interface."""
        self._serving[interface] = tasks.create_task(self.serve(interface, runner), name=f"listen {interface.name}")

    def follow(self, wanted: Iterable[Interface], runner: web.AppRunner, tasks: asyncio.TaskGroup) -> bool:
        """Drops what is gone or has changed, opens what is new; True if everything wanted is listened on."""
        wanted = list(wanted)
        for interface in [one for one in self._bound if one not in wanted]:
            log.warning("no longer answering on %s", _described(interface), extra={"iface": interface.name})
            self.stop(interface)
        complete = True
        for interface in wanted:
            if interface in self._bound:
                continue
            try:
                self.bind(interface)
            except (Unavailable, NotPermitted) as error:
                log.error("%s", error, extra={"iface": interface.name})
                complete = False
            else:
                self.start(interface, runner, tasks)
                log.info("answering on %s", _described(interface), extra={"iface": interface.name})
        return complete

    def stop(self, interface: Interface) -> None:
        """Closes the sockets of an interface."""
        bound = self._bound.pop(interface)
        task = self._serving.pop(interface, None)
        if task is not None:
            task.cancel()
        else:
            bound.close()

    async def stop_all(self) -> None:
        """Closes all sockets, and returns when nothing listens any more; requests under way go on."""
        serving = list(self._serving.values())
        for interface in list(self._bound):
            self.stop(interface)
        await asyncio.gather(*serving, return_exceptions=True)

    def unsent(self) -> int:
        """Answers that the kernel did not take, on all present endpoints."""
        return sum(endpoint.unsent for bound in self._bound.values() for endpoint in bound.endpoints)

    def _bind_udp(self, bound: _Bound, interface: Interface, port: int, addresses: list[str]) -> None:
        advice = {
            DHCP_SERVER: "a DHCP server on this host keeps it: set responder.listen_dhcp = false, and let that server "
            "send PXE clients option 60 = PXEClient, no file name, and siaddr 0 or this host's address",
            BOOT_SERVER: "another PXE server on this host keeps it: stop that one",
        }[port]
        try:
            # Our own sockets of one port share it with SO_REUSEADDR, with which another program's would go unnoticed.
            bind_udp(interface.name, _ANY, port).close()
            for address in addresses:
                endpoint = bind_udp(interface.name, address, port, shared=True)
                bound.sockets.append(endpoint)
                ours = interface.addresses[0].ip if address == _ANY else socket.inet_aton(address)
                place = Place(interface, port, type(interface.addresses[0].ip)(ours))
                bound.endpoints.append(Endpoint(endpoint, place, self._answerer))
        except OSError as error:
            raise _refusal(error, "UDP", port, interface, advice) from None


def _refusal(error: OSError, protocol: str, port: int, interface: Interface, advice: str) -> Exception:
    where = f"{protocol} port {port} on {interface.name}"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(protocol, port)
        return Unavailable(f"{where} is taken{f' by {holder}' if holder else ''}; {advice}")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return NotPermitted(f"{where} needs root or CAP_NET_BIND_SERVICE")
    return Unavailable(f"{where} cannot be opened: {error.strerror}")


def _described(interface: Interface) -> str:
    return f"{interface.name} ({', '.join(str(address) for address in interface.addresses)})"
