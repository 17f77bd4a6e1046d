"""The TFTP server as the service sees it: sockets on the interfaces, shared out among worker processes.

The listening sockets are bound here and handed to the workers, one each with SO_REUSEPORT, among which the kernel
shares the requests out. So a fault of binding is told where it can be, the workers need no privileges, and while one of
them is started again its socket keeps what arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from pxed.errors import NotPermitted, Unavailable
from pxed.tftp.messages import IP_PKTINFO, Endpoint, Message, TftpSettings, Transfer
from pxed.tftp.process import WorkerProcess

log = logging.getLogger("pxed.tftp")

_REQUEST_BUFFER = 4 << 20
"""octets asked for, for the moment when a whole room is switched on"""
_Place = tuple[str, str]
"""(interface, address): no two endpoints have the same"""


@dataclass(frozen=True, slots=True)
class _Listening:
    endpoint: Endpoint
    index: int
    """of the interface: one that was made anew under its old name needs new sockets"""
    sockets: tuple[socket.socket, ...]
    """one a worker"""

    def message(self) -> Message:
        return {"type": "listen", "endpoint": asdict(self.endpoint)}

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class Pool:
    """The workers of `settings`; `on_transfer` is called in the event loop for each transfer that ended."""

    def __init__(self, settings: TftpSettings, on_transfer: Callable[[Transfer], None]) -> None:
        self._settings = settings
        self._workers = [WorkerProcess(number, self._greeting, on_transfer) for number in range(settings.workers)]
        self._listening: dict[_Place, _Listening] = {}

    def bind(self) -> None:
        """Takes the port on every endpoint, before privileges are dropped; Unavailable or NotPermitted if it cannot."""
        for endpoint in self._settings.endpoints:
            _check_free(endpoint, self._settings.port)
            self._open(endpoint)

    async def run(self) -> None:
        """Keeps the workers running until `drain` or cancellation; binds first if that was not done."""
        if not self._listening:
            self.bind()
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.keep())
        finally:
            self._close_all()

    async def ready(self) -> None:
        """Waits until every worker takes requests."""
        for worker in self._workers:
            await worker.ready.wait()

    def reconfigure(self, endpoints: Iterable[Endpoint]) -> bool:
        """Follows the interfaces: takes the port on new ones, gives it up on those that are gone, where transfers that
        run come to their end. An endpoint that cannot be had is logged and left out until the next call; True if there
        is none."""
        wanted = {_place(endpoint): endpoint for endpoint in endpoints}
        for place, listening in list(self._listening.items()):
            if place not in wanted or listening.index != _index(listening.endpoint):
                self._close(place)
        complete = True
        for place, endpoint in wanted.items():
            known = self._listening.get(place)
            if known is None:
                try:
                    self._open(endpoint)
                except (Unavailable, NotPermitted) as error:
                    log.error("%s", error, extra={"iface": endpoint.interface})
                    complete = False
            elif known.endpoint != endpoint:
                self._listen(replace(known, endpoint=endpoint))
        return complete

    def configure(self, settings: TftpSettings) -> None:
        """New settings for new requests; transfers that run keep theirs, and `workers` and `port` stay as they are."""
        self._settings = replace(settings, workers=self._settings.workers, port=self._settings.port)
        for worker in self._workers:
            worker.say(self._settings.to_message())
        self.reconfigure(settings.endpoints)

    async def drain(self, seconds: float, silence: float) -> None:
        """Takes no more requests, lets transfers that run finish for `seconds`, then breaks them off; `run` returns.

        Those of clients that acknowledge nothing new for `silence` seconds are given up before.
        """
        for worker in self._workers:
            worker.drain(silence)
        self._close_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for worker in self._workers:
                    await worker.ended.wait()
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def counters(self) -> dict[str, int]:
        """What the workers have counted since the service started; `running` is how many transfers there are now."""
        total: Counter[str] = Counter()
        for counted in await asyncio.gather(*(worker.counters() for worker in self._workers)):
            total.update(counted)
        return dict(total)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that live."""
        return tuple(worker.pid for worker in self._workers if worker.pid)

    def _greeting(self, number: int) -> Iterator[tuple[Message, tuple[int, ...]]]:
        yield self._settings.to_message(), ()
        for listening in self._listening.values():
            yield listening.message(), (listening.sockets[number].fileno(),)

    def _open(self, endpoint: Endpoint) -> None:
        sockets: list[socket.socket] = []
        try:
            for _ in self._workers:
                sockets.append(_bound(endpoint, self._settings.port, shared=True))
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        self._listen(_Listening(endpoint, _index(endpoint), tuple(sockets)))

    def _listen(self, listening: _Listening) -> None:
        self._listening[_place(listening.endpoint)] = listening
        for worker in self._workers:
            worker.say(listening.message(), listening.sockets[worker.number].fileno())

    def _close(self, place: _Place) -> None:
        listening = self._listening.pop(place)
        for worker in self._workers:
            worker.say({"type": "close", "endpoint": asdict(listening.endpoint)})
        listening.close()

    def _close_all(self) -> None:
        for place in list(self._listening):
            self._close(place)


def _place(endpoint: Endpoint) -> _Place:
    return endpoint.interface, endpoint.address


def _index(endpoint: Endpoint) -> int:
    """Of the interface; 0 if it has none, -1 if it is gone."""
    try:
        return socket.if_nametoindex(endpoint.interface) if endpoint.interface else 0
    except OSError:
        return -1


def _check_free(endpoint: Endpoint, port: int) -> None:
    """With SO_REUSEPORT another server of the same user would share the requests with us unnoticed."""
    _bound(endpoint, port, shared=False).close()


def _bound(endpoint: Endpoint, port: int, *, shared: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    where = f" on {endpoint.interface}" if endpoint.interface else f" of {endpoint.address}"
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _REQUEST_BUFFER)
        # Set before anything can arrive: a datagram that is queued without it never tells its address.
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if endpoint.interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, endpoint.interface.encode())
        sock.bind((endpoint.address, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"UDP port {port}{where} is taken by another TFTP server (dnsmasq, tftpd-hpa, atftpd, a second pxed): "
                "stop that one, or its TFTP service"
            ) from None
        if isinstance(error, PermissionError):
            raise NotPermitted(f"UDP port {port}{where} needs root or CAP_NET_BIND_SERVICE") from None
        raise Unavailable(f"UDP port {port}{where} cannot be used: {error.strerror}") from None
    return sock
