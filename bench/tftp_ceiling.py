"""How much the load of TFTP can take itself: of blocks that are all there before it looks.

`python -m bench.tftp_ceiling CLIENTS WINDOW BLOCKS` stands where a server does, and is none: when so many clients have
asked it sends them the whole file in order, a window to one after the other, and waits for no acknowledgement.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.peers import Server
from bench.result import Result
from bench.tftp_bench import AREA, bench
from bench.tftp_content import BLOCK_SIZE, PROBE, payload_of
from pxed.wire.tftp import Data, OptionAck, ReadRequest, decode, encode

_CLIENTS = 49
_WINDOWS = (1, 4, 16)
_BLOCKS = 1000
"""for each client: all together are 200 MB of the kernel's memory"""
_AWAY = 0.8
"""seconds in which all is sent, and the load does not look"""
_SECONDS = 3
_ROUNDS = 5
_UDP_SEGMENT = 103


def ceiling(quick: bool) -> list[Result]:
    """Blocks a second, if so many wait as a turn can take."""
    if quick:
        return []
    result = Result(AREA, f"ceiling of the load generator, {_CLIENTS} clients: throughput", "blocks/s")
    with bench(quick) as there:
        for _, window in itertools.product(range(_ROUNDS), _WINDOWS):
            server = Server(f"window {window}", _sender(window))
            order = replace(there.order(_CLIENTS, window, _BLOCKS, _SECONDS), away=_AWAY)
            taken = there.tried(server, order, result)
            if taken is None:
                continue
            if taken.outcome.complete == _CLIENTS:
                result.add(server.name, taken.outcome.blocks / taken.outcome.seconds)
            else:
                result.note(f"{server.name}: some blocks were lost on their way")
    result.note("no server: all blocks are there before the load looks, and it limits none that is slower than this")
    return [result]


def _sender(window: int) -> Callable[[Path], list[str]]:
    words = [str(number) for number in (_CLIENTS, window, _BLOCKS)]
    return lambda _: [sys.executable, "-m", "bench.tftp_ceiling", *words]


def main() -> None:
    """The process."""
    clients, window, blocks = map(int, sys.argv[1:])
    packets = [encode(Data(block, payload_of(block, blocks))) for block in range(1, blocks + 1)]
    windows = [packets[first : first + window] for first in range(0, blocks, window)]
    segments = [(socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("H", BLOCK_SIZE + 4))]
    asking: list[tuple[str, int]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 69))
        while len(asking) < clients:
            datagram, peer = sock.recvfrom(512)
            request = decode(datagram)
            if isinstance(request, ReadRequest) and request.name == PROBE.encode():
                sock.sendto(encode(Data(1, b"here")), peer)
            elif isinstance(request, ReadRequest):
                sock.sendto(encode(OptionAck(request.options)), peer)
                asking.append(peer)
        for parts, peer in itertools.product(windows, asking):
            sock.sendmsg(parts, segments, 0, peer)
        while sock.recv(512):  # as every server has to; the benchmark ends it
            pass


if __name__ == "__main__":
    main()
