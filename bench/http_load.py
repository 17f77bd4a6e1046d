"""HTTP clients by the hundred in one thread. Each octet of every tenth connection is compared; of the others the kernel
throws bodies away and their length is checked, which is faster than every server here.

`python -m bench.http_load '<json of Load>'` prints the JSON of a `Fetched`."""

from __future__ import annotations

import json
import select
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass

from bench import noise
from bench.network import SERVER

_TRUNCATED = 4 << 20
"""octets taken from a connection at once; MSG_TRUNC (tcp(7)) throws them away without copying"""
_COMPARED_EVERY = 10
"""of so many connections one is compared; over TLS, where all has to be decrypted, each one is"""
_HEAD = 64 << 10
_SILENCE = 20.0
"""seconds without any octet after which what is missing counts as failed"""


@dataclass(frozen=True)
class Load:
    """What is asked for."""

    path: str
    file: str
    """the name that its octets go by"""
    clients: int
    """at once"""
    requests: int
    """in all"""
    address: str = SERVER
    port: int = 0
    each: int = 1
    """how many of them on one connection, one after the other"""
    first: int = 0
    size: int = 0
    """octets of the answer's body; a Range request from `first` on if `status` is 206"""
    status: int = 200
    tls: bool = False


@dataclass(frozen=True)
class Fetched:
    """What came."""

    complete: int
    """answers with the right status, length and, where they are compared, octets"""
    octets: int
    seconds: float
    slowest: float
    """seconds of the slowest request"""


class _Client:
    """One connection."""

    def __init__(self, load: Load, context: ssl.SSLContext | None, *, compared: bool) -> None:
        self._load = load
        self._compared = compared
        self._left = load.each
        self.socket = socket.create_connection((load.address, load.port))
        if context is not None:
            self.socket = context.wrap_socket(self.socket)
        self.ask()

    def ask(self) -> None:
        """Sends the next request."""
        load, self._left = self._load, self._left - 1
        wanted = f"Range: bytes={load.first}-{load.first + load.size - 1}\r\n" if load.status == 206 else ""
        last = "" if self._left else "Connection: close\r\n"
        self.socket.setblocking(True)
        self.socket.sendall(f"GET {load.path} HTTP/1.1\r\nHost: {load.address}\r\n{wanted}{last}\r\n".encode())
        self.socket.setblocking(False)
        self.began = time.monotonic()
        self._head = b""
        self.received = 0
        self.ok = False

    @property
    def more(self) -> bool:
        """There are further requests to make on this connection."""
        return self.complete and self._left > 0

    def read(self, buffer: memoryview) -> bool:
        """Takes what is there; True when the body is complete or the connection ended."""
        try:
            if not self.ok:
                return self._read_head()
            while True:
                if self._compared:
                    count = self.socket.recv_into(buffer, noise.READ)
                    if not self._right(buffer[:count]):
                        return True
                else:
                    count = self.socket.recv_into(buffer, 0, socket.MSG_TRUNC)
                self.received += count
                if not count or self.received >= self._load.size:
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True

    @property
    def complete(self) -> bool:
        """The right status and as many octets as were promised and wanted."""
        return self.ok and self.received == self._load.size

    def _read_head(self) -> bool:
        data = self.socket.recv(_HEAD)
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return not data
        lines = head.lower().split(b"\r\n")
        self.ok = lines[0].split()[1] == b"%d" % self._load.status and b"content-length: %d" % self._load.size in lines
        if not self._right(body):
            return True
        self.received = len(body)
        return not self.ok or self.complete

    def _right(self, data: bytes | memoryview) -> bool:
        """The octets that come now are those of the file; if not, the answer is none."""
        self.ok = self.ok and noise.matches(data, self._load.file, self._load.first + self.received)
        return self.ok


def fetch(load: Load) -> Fetched:
    """Keeps `load.clients` connections busy until `load.requests` were made."""
    context = None
    if load.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    buffer = memoryview(bytearray(_TRUNCATED))
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    connected = complete = octets = 0
    slowest = 0.0
    began = time.monotonic()
    while clients or connected * load.each < load.requests:
        while connected * load.each < load.requests and len(clients) < load.clients:
            client = _Client(load, context, compared=load.tls or not connected % _COMPARED_EVERY)
            clients[client.socket.fileno()] = client
            poll.register(client.socket, select.EPOLLIN)
            connected += 1
        ready = poll.poll(_SILENCE)
        if not ready:
            break
        for descriptor, _ in ready:
            client = clients[descriptor]
            if client.read(buffer):
                complete += client.complete
                octets += client.received
                slowest = max(slowest, time.monotonic() - client.began)
                if client.more:
                    client.ask()
                else:
                    del clients[descriptor]
                    client.socket.close()
    return Fetched(complete, octets, time.monotonic() - began, slowest)


if __name__ == "__main__":
    print(json.dumps(asdict(fetch(Load(**json.loads(sys.argv[1]))))))
