"""Carrying out one command line: its output on the console as it comes, its last lines kept for the report."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TAIL_LINES = 20
TAIL_CHARACTERS = 2000
_PIPE_BYTES = 1 << 16
"""what a pipe holds (pipe(7)): all that a command wrote before it ended comes with one read"""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    exit_code: int
    """as the shell counts: 128 plus the number of the signal that ended it"""
    tail: str
    """the last lines of its output, standard output and error as they came"""


def run_command(command: str, environment: Mapping[str, str], show: Callable[[bytes], None]) -> Result:
    """Runs `command` with /bin/sh, with an empty standard input and in a session of its own.

    It has ended when the shell has ended: what it leaves running behind it may keep the pipe open, and is not waited
    for. OSError if it cannot be started.
    """
    reader, writer = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        output = _follow(process, reader, show)
    finally:
        os.close(reader)
    code = process.wait()
    return Result(code if code >= 0 else 128 - code, tail(output))


def _follow(process: subprocess.Popen[bytes], reader: int, show: Callable[[bytes], None]) -> bytes:
    """Shows the output until the process has ended; gives its last part."""
    kept = b""
    ended = os.pidfd_open(process.pid)
    try:
        watched = [reader, ended]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if reader in ready:
                chunk = os.read(reader, _PIPE_BYTES)
                show(chunk)
                kept = (kept + chunk)[-_PIPE_BYTES:]
                if not chunk:  # it closed its output and works on
                    watched.remove(reader)
            if ended in ready:
                return kept
    finally:
        os.close(ended)


def tail(output: bytes) -> str:
    """The last lines of `output` as text that can be printed anywhere: control characters are left out."""
    lines = output.decode(errors="replace").splitlines()
    clean = ("".join(char for char in line if char.isprintable() or char == "\t").rstrip() for line in lines)
    return "\n".join([line for line in clean if line][-TAIL_LINES:])[-TAIL_CHARACTERS:]
