"""A TFTP worker process: `python -m pxed.tftp.worker --fd N`, where N is its end of the service's socket pair.

One epoll loop serves the listening sockets, the data sockets, the timers and the service's messages (`messages`). The
process opens no privileged port, no database and no log: it gets bound sockets and tells what happened.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable

from pxed.tftp import messages
from pxed.tftp.admission import Admission
from pxed.tftp.deliveries import Deliveries
from pxed.tftp.farewell import Farewell
from pxed.tftp.messages import Endpoint, Message, TftpSettings, Transfer
from pxed.tftp.outlet import Outlet
from pxed.tftp.reception import Reception, Rules
from pxed.tftp.vigil import Vigil

_NICE = 5
"""An answer to DHCP, by the service, goes before blocks of files where both want the same processor."""
_TOLD = 64
"""Transfers in one message to the service; each takes 2 KB at most of `messages.MAX_MESSAGE`."""
_TIDY_SECONDS = 60.0
"""between two looks for data sockets that nobody uses"""


class Worker:
    """The loop; `channel` leads to the service."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[float], None]] = {}
        self._counters: Counter[str] = Counter()
        self._admission = Admission()
        self._rules: Rules | None = None
        self._receptions: dict[tuple[str, str], Reception] = {}
        self._closing: list[Reception] = []
        self._farewell: Farewell | None = None
        self._ended = False
        self._vigil = Vigil()
        self._over: list[Transfer] = []
        """transfers that have ended in this turn"""
        self._deliveries = Deliveries(
            self._counters, self._over.append, self._watch_outlet, self._unwatch, time.monotonic
        )
        self._watch(channel, self._hear)

    def run(self) -> None:
        """Serves until the service closes the channel, or, once it has asked to drain, until the last transfer ends."""
        now = time.monotonic()
        tidy_at = now + _TIDY_SECONDS
        vigil = self._vigil
        while not self._ended and not (self._farewell and not self._deliveries.count):
            due = now if now < vigil.until else min(tidy_at, self._deliveries.next_timer)
            events = self._epoll.poll(max(0.0, due - now))
            now = time.monotonic()
            if events:
                vigil.heard(now)
            for fd, _ in events:
                handler = self._handlers.get(fd)
                if handler is not None:  # an earlier one in this turn may have closed it
                    handler(now)
            if now >= self._deliveries.next_timer:
                self._deliveries.wake(now)
            if self._farewell and now >= self._farewell.due:
                self._leave_behind(self._farewell, now)
            if now >= tidy_at:
                tidy_at = now + _TIDY_SECONDS
                self._tidy()
            if self._over:
                self._tell()

    def _hear(self, now: float) -> None:
        message, descriptors = messages.receive(self._channel)
        match message:
            case None:
                self._ended = True
            case {"type": "configure"}:
                self._rules = Rules(TftpSettings.from_message(message))
                self._say({"type": "ready"})
            case {"type": "listen"}:
                self._listen(Endpoint(**message["endpoint"]), socket.socket(fileno=descriptors[0]))
            case {"type": "close"}:
                self._close(Endpoint(**message["endpoint"]))
            case {"type": "counters"}:
                counters = {**self._counters, "running": self._deliveries.count}
                self._say({"type": "counters", "counters": counters})
            case {"type": "drain"}:
                self._farewell = Farewell(message["silence"], now)
                for reception in list(self._receptions.values()):
                    self._close(reception.endpoint)
            case {"type": "stop"}:
                self._ended = True
                for reception in [*self._receptions.values(), *self._closing]:
                    reception.outlets.close()

    def _listen(self, endpoint: Endpoint, sock: socket.socket) -> None:
        """Takes requests from `sock`, instead of an earlier one of the same place, whose transfers go on."""
        self._close(endpoint)
        reception = Reception(sock, endpoint, self._deliveries, self._admission, self._counters, self._over.append)
        self._receptions[endpoint.interface, endpoint.address] = reception

        def drain(now: float) -> None:
            assert self._rules is not None, "the service configures before it says where to listen"  # noqa: S101
            reception.drain(self._rules, now)

        self._watch(sock, drain)

    def _close(self, endpoint: Endpoint) -> None:
        """Takes no more requests there."""
        reception = self._receptions.pop((endpoint.interface, endpoint.address), None)
        if reception is not None:
            self._unwatch(reception)
            reception.socket.close()
            self._closing.append(reception)

    def _leave_behind(self, farewell: Farewell, now: float) -> None:
        outlets = [outlet for reception in self._closing for outlet in reception.outlets]
        running = [delivery for outlet in outlets for delivery in outlet.deliveries.values()]
        for delivery in farewell.vanished(running, now):
            delivery.outlet.abort(delivery, "the client was silent while the service point stopped")

    def _tidy(self) -> None:
        for reception in [*self._receptions.values(), *self._closing]:
            reception.outlets.release_idle()
        self._closing = [reception for reception in self._closing if any(reception.outlets)]

    def _watch(self, sock: socket.socket, handler: Callable[[float], None]) -> None:
        self._handlers[sock.fileno()] = handler
        self._epoll.register(sock, select.EPOLLIN)

    def _watch_outlet(self, outlet: Outlet) -> None:
        def drain(now: float) -> None:
            heard = outlet.drain(now, self._vigil.seconds)
            if heard > now:
                self._vigil.kept(heard)

        self._watch(outlet.socket, drain)

    def _unwatch(self, watched: Outlet | Reception) -> None:
        self._epoll.unregister(watched.socket)
        del self._handlers[watched.socket.fileno()]

    def _tell(self) -> None:
        """The service hears of the transfers that have ended: often many at once, which then wake it once."""
        for first in range(0, len(self._over), _TOLD):
            some = self._over[first : first + _TOLD]
            if not self._say({"type": "transfers", "transfers": [transfer.to_message() for transfer in some]}):
                self._counters["unreported"] += len(some)
        self._over.clear()

    def _say(self, message: Message) -> bool:
        """To the service; what it does not take in time is dropped (False), for clients shall not wait for a log."""
        try:
            messages.send(self._channel, message)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            self._ended = True
        return True


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description="A TFTP worker of pxed; started by the service.")
    parser.add_argument("--fd", type=int, required=True, help="descriptor of the socket that leads to the service")
    channel = socket.socket(fileno=parser.parse_args().fd)
    channel.setblocking(False)
    # Ctrl-C and a service manager's signal reach the whole group; the service decides when the workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(_NICE)
    Worker(channel).run()


if __name__ == "__main__":
    main()
