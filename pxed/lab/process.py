"""A program that the lab runs: its words go to a transcript, and it ends when the lab wants it to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from pxed.errors import Unavailable
from pxed.lab.transcript import NotSeen, Transcript

_GRACE = 15.0
"""seconds between SIGTERM and SIGKILL"""


class Program(asyncio.SubprocessProtocol):
    """A running program; standard output and standard error are one transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise, told to mypy
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.transcript.feed(data)

    def process_exited(self) -> None:
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transcript.end()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.get_pid()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.get_returncode()

    async def wait(self) -> int:
        """Waits for its end."""
        await self._exited.wait()
        code = self.exit_code
        return code if code is not None else 0

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal if it still runs. asyncio reaps the child, so the number cannot be somebody else's by now."""
        if self.exit_code is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Ends it: asked first, then forced."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_GRACE):
                await self._exited.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._exited.wait()
        self._process.close()

    @property
    def _process(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise RuntimeError("the program was not started")
        return self._transport


@asynccontextmanager
async def running(
    transcript: Transcript,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
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
            env=environment,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"running {arguments[0]}: {error.strerror}") from error
    try:
        yield program
    finally:
        await program.stop()


async def run(transcript: Transcript, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
    """Runs a program to its end and returns what it wrote; NotSeen with all of that if it fails."""
    async with running(transcript, arguments, environment=environment) as program:
        code = await program.wait()
        await transcript.wait_for_end()
    if code != 0:
        raise NotSeen(f"{' '.join(arguments)}: exit status {code}\n{transcript.tail()}")
    return "\n".join(line.text for line in transcript.lines)
