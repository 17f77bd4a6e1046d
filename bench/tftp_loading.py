"""A load of TFTP in a process of its own, beside a server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from bench.network import Network
from bench.serving import Silent
from bench.tftp_client import Order, Outcome


class Loading:
    """A load whose server answers; `go` runs it, and leaves it held open until the block is over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def go(self, meanwhile: Callable[[], None] | None = None) -> Outcome:
        """What the load was; `meanwhile` is called while it runs."""
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if meanwhile is not None:
            meanwhile()
        return Outcome(**json.loads(self._process.stdout.readline()))


@contextmanager
def loading(net: Network, order: Order) -> Iterator[Loading]:
    """A load whose server answers; Silent if it does not."""
    command = net.on_load([sys.executable, "-m", "bench.tftp_load", json.dumps(asdict(order))])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe
            if process.stdout.readline() != "ready\n":
                raise Silent("did not answer")
            yield Loading(process)
            process.communicate("\n")
        finally:
            process.kill()
