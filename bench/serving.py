"""A server at work: started in its namespace, its processor time and memory counted, ended again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.network import Network, run
from bench.processor import counted, family

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
