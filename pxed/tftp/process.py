"""One worker process as the service sees it: started, spoken to, heard, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable

from pxed.tftp import messages
from pxed.tftp.messages import Message, Transfer

log = logging.getLogger("pxed.tftp")

_STEADY_SECONDS = 10.0
"""A worker that lived this long is started again at once; otherwise each time after twice the wait."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_ANSWER_SECONDS = 2.0
"""for a worker to tell its counters"""
_END_SECONDS = 2.0
"""for a worker to end after it was told to; then it is killed"""


class WorkerProcess:
    """Place `number` of the pool. `greeting` gives what a new process is told first: messages with descriptors."""

    def __init__(
        self,
        number: int,
        greeting: Callable[[int], Iterable[tuple[Message, tuple[int, ...]]]],
        on_transfer: Callable[[Transfer], None],
    ) -> None:
        self.number = number
        self.ready = asyncio.Event()
        """it takes requests"""
        self.ended = asyncio.Event()
        """no process lives, and none will be started"""
        self.ended.set()
        self._greeting = greeting
        self._on_transfer = on_transfer
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._leaving = asyncio.Event()
        self._silence = 0.0
        self._counters: Counter[str] = Counter()
        self._past: Counter[str] = Counter()
        self._answer = asyncio.Event()

    @property
    def pid(self) -> int:
        """Of the process that lives, else 0."""
        return self._process.pid if self._process is not None else 0

    async def keep(self) -> None:
        """Keeps a process running until `drain`."""
        wait = 0.0
        self.ended.clear()
        try:
            while not self._leaving.is_set():
                began = time.monotonic()
                status = await self._live()
                if self._leaving.is_set():
                    break
                lived = time.monotonic() - began
                wait = 0.0 if lived >= _STEADY_SECONDS else min(max(2 * wait, _FIRST_WAIT), _LONGEST_WAIT)
                how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
                log.error(
                    "TFTP worker %d %s, its transfers are lost; it is started again in %g s", self.number, how, wait
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._leaving.wait(), wait)
        finally:
            self.ended.set()

    def say(self, message: Message, *descriptors: int) -> None:
        """To the process, if there is one; a new one is greeted anyway."""
        if self._channel is not None:
            # One that does not read is stuck or dying; the operator sees it in the log, and it is started again.
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                messages.send(self._channel, message, descriptors)

    def drain(self, silence: float) -> None:
        """No more requests; it ends after the last transfer, and gives those up whose clients are silent that long."""
        self._silence = silence
        self._leaving.set()
        self._say_drain()

    def _say_drain(self) -> None:
        self.say({"type": "drain", "silence": self._silence})

    async def stop(self) -> None:
        """Breaks off what still runs and sees the process end, or kills it."""
        self.say({"type": "stop"})
        try:
            await asyncio.wait_for(self.ended.wait(), _END_SECONDS)
        except TimeoutError:
            if self._process is not None:
                self._process.kill()
            await self.ended.wait()

    async def counters(self) -> Counter[str]:
        """What all processes of this place have counted; of one that does not answer, what it said last."""
        self._answer.clear()
        self.say({"type": "counters"})
        if self._channel is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answer.wait(), _ANSWER_SECONDS)
        return self._past + self._counters

    async def _live(self) -> int:
        """One process from start to end; its exit status, or minus the signal that killed it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            ours.setblocking(False)
            with theirs:
                command = (sys.executable, "-m", "pxed.tftp.worker", "--fd", str(theirs.fileno()))
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
                )
            loop = asyncio.get_running_loop()
            loop.add_reader(ours, self._hear)
            self._channel, self._process = ours, process
            try:
                for message, descriptors in self._greeting(self.number):
                    self.say(message, *descriptors)
                if self._leaving.is_set():
                    self._say_drain()
                status = await process.wait()
                self._hear()
            finally:
                self._channel = self._process = None
                self.ready.clear()
                loop.remove_reader(ours)
                ours.close()  # which ends a process that still lives
                await _see_end(process)
                del self._counters["running"]
                self._past += self._counters
                self._counters.clear()
        return status

    def _hear(self) -> None:
        """Takes what the process has said."""
        while self._channel is not None:
            try:
                message, _ = messages.receive(self._channel)
            except BlockingIOError:
                return
            match message:
                case None:
                    asyncio.get_running_loop().remove_reader(self._channel)
                    return
                case {"type": "ready"}:
                    self.ready.set()
                case {"type": "transfers"}:
                    for transfer in message["transfers"]:
                        self._on_transfer(Transfer.from_message(transfer))
                case {"type": "counters"}:
                    self._counters = Counter(message["counters"])
                    self._answer.set()


async def _see_end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
