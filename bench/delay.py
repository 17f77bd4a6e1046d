"""A cable with a delay: every frame of either direction leaves it so many seconds after it went in.

`python -m bench.delay SERVER_NAMESPACE LOAD_NAMESPACE SECONDS`: a tap device in each namespace and a process between
them, which runs on the load's processor. It stops when its input ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.network import INTERFACE, LOAD_CPU

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_CLONE_NEWNET = 0x40000000
_LARGEST_FRAME = 2048
_FRAMES_A_TURN = 64
_UNDER_WAY = 100_000
"""frames in either direction at most: a second of a fast link"""


def delayed(seconds: float) -> Callable[[str, str], AbstractContextManager[None]]:
    """A cable for `bench.network.network` with that delay each way."""

    @contextmanager
    def cable(server: str, load: str) -> Iterator[None]:
        command = ["taskset", "--cpu-list", str(LOAD_CPU), sys.executable, "-m", "bench.delay"]
        with subprocess.Popen(
            [*command, server, load, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("no cable with a delay: is there a /dev/net/tun?")
            try:
                yield
            finally:
                process.communicate()

    return cable


def _tap_in(namespace: str) -> int:
    """A descriptor of the tap device INTERFACE in `namespace`, which this process has to leave afterwards."""
    with Path("/run/netns", namespace).open() as there:
        if _libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"network namespace {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", INTERFACE.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def _carry(ends: tuple[int, int], seconds: float) -> None:
    """Until standard input ends."""
    poll = select.poll()
    for fd in (*ends, sys.stdin.fileno()):
        poll.register(fd, select.POLLIN)
    queues: dict[int, deque[tuple[float, bytes]]] = {ends[0]: deque(), ends[1]: deque()}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        due = min((queue[0][0] for queue in queues.values() if queue), default=None)
        # Whole milliseconds, rounded down: what is left of the last one is spent awake.
        wait = None if due is None else max(0, int((due - time.monotonic()) * 1000))
        for fd, _ in poll.poll(wait):
            if fd not in queues:
                return
            _take(fd, queues[fd], seconds)
        now = time.monotonic()
        for fd, queue in queues.items():
            while queue and queue[0][0] <= now:
                _give(other[fd], queue.popleft()[1])


def _take(fd: int, queue: deque[tuple[float, bytes]], seconds: float) -> None:
    due = time.monotonic() + seconds
    for _ in range(_FRAMES_A_TURN):
        try:
            frame = os.read(fd, _LARGEST_FRAME)
        except BlockingIOError:
            return
        if len(queue) < _UNDER_WAY:
            queue.append((due, frame))


def _give(fd: int, frame: bytes) -> None:
    try:
        os.write(fd, frame)
    except OSError:  # the other end is full or not up yet: lost, as on any cable
        return


_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """The process."""
    server, load, seconds = sys.argv[1:]
    ends = _tap_in(server), _tap_in(load)
    print("ready", flush=True)
    _carry(ends, float(seconds))


if __name__ == "__main__":
    main()
