"""A program that the lab runs: its words go to a transcript, and it ends when the lab wants it to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pxed.errors import PxedError, Unavailable
from pxed.lab.transcript import Transcript

_GRACE = 5.0
"""seconds between SIGTERM and SIGKILL"""
_LAST_WORDS = 2.0
"""seconds for reading what a program wrote before it ended: a child that it left behind may hold the pipe open"""


class Failed(PxedError):
    """A program that the lab ran did not succeed; the text holds its words."""


class Program(asyncio.SubprocessProtocol):
    """A running program; standard output and standard error are one transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._silent = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise, told to mypy
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.transcript.feed(data)

    def process_exited(self) -> None:
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transcript.end()
        self._silent.set()

    async def stop(self) -> None:
        """Ends it, asked first, then forced, and takes its last words."""
        self._signal(signal.SIGTERM)
        if not await _comes(self._exited, _GRACE):
            self._signal(signal.SIGKILL)
            await self._exited.wait()
        await _comes(self._silent, _LAST_WORDS)
        self._process.close()
        await self._silent.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal if it still runs. asyncio reaps the child, so the number cannot be somebody else's by now."""
        if self._process.get_returncode() is None:
            self._process.send_signal(number)

    @property
    def _process(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise RuntimeError("the program was not started")
        return self._transport


async def _comes(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


@asynccontextmanager
async def running(
    transcript: Transcript,
    arguments: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[Program]:
    """Runs a program for as long as the block lasts.

    It gets a session of its own: Ctrl-C at the terminal reaches the lab alone, which then ends things in order.
    """
    program = Program(transcript)
    try:
        await asyncio.get_running_loop().subprocess_exec(
            lambda: program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"running {arguments[0]}: {error.strerror}") from error
    try:
        yield program
    finally:
        await program.stop()


async def output(arguments: Sequence[str], *, shown: bool = False) -> str:
    """Runs a program to its end and returns its standard output; Failed with its last words if it fails.

    `shown`: it writes to our own standard output and error instead, for a person to see its progress.
    """
    to = None if shown else asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=to, stderr=to, start_new_session=True
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:  # we are being ended: so is it, and it may clean up
            os.killpg(process.pid, signal.SIGINT)
            await process.wait()
    if process.returncode != 0:
        words = (err or b"").decode(errors="replace").strip()
        raise Failed(f"{' '.join(arguments)}: exit status {process.returncode}\n{words}".rstrip())
    return (out or b"").decode()
