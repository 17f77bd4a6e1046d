"""A server at work: started in its namespace, its processor time and memory counted, ended again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.network import Network, run
from bench.processor import counted, cpu_seconds, family
from bench.tftp_client import Order, Outcome

__all__ = ["Loading", "Silent", "cpu_seconds", "loading", "resident", "running", "until_listening"]

_GRACE = 0.3
"""seconds between SIGTERM and SIGKILL; nothing that a server still wants to do is worth waiting for"""
_GONE = 5.0
"""seconds after which a process that was killed is gone"""


class Silent(Exception):
    """The server did not answer; the text is for the reader."""


@contextmanager
def running(net: Network, arguments: list[str], words: Path) -> Iterator[int]:
    """Runs a server for as long as the block lasts; its process id. What it says goes to the file `words`.

    Afterwards nothing runs in the server's namespace, not even children that left the server's session.
    """
    with words.open("wb") as output, counted(arguments) as command:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _clear(net.server)


def _clear(namespace: str) -> None:
    """Ends what is left in a namespace of ours, and returns when it is gone."""
    end = time.monotonic() + _GONE
    while (left := run(["ip", "netns", "pids", namespace]).split()) and time.monotonic() < end:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.01)


def until_listening(net: Network, port: int) -> None:
    """Waits for a TCP server; RuntimeError if there is none after 20 s."""
    wanted = f":{port} "
    for _ in range(200):
        if wanted in run(net.on_server(["ss", "-Hltn"])):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")


class Loading:
    """A load beside a server; `go` runs it, and leaves it held open until the block is over."""

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


def resident(pid: int) -> tuple[float, float]:
    """Megabytes of a process and its descendants: private ones, and pages of files, each counted where it is mapped."""
    private = shared = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == "RssAnon":
                private += int(value.split()[0])
            elif key in {"RssFile", "RssShmem"}:
                shared += int(value.split()[0])
    return private / 1000, shared / 1000
