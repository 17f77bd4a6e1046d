"""QEMU's machine protocol (docs/interop/qmp-spec): JSON lines, answers in order, events between."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from pxed.errors import Unavailable


class Monitor(asyncio.Protocol):
    """One connection to a QEMU; `on_event` gets the name and data of each event."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        self._on_event = on_event
        self._rest = b""
        self._answers: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.WriteTransport | None = None
        self._closed = False

    @classmethod
    async def connect(cls, sock: socket.socket, on_event: Callable[[str, dict[str, Any]], None]) -> Monitor:
        """Speaks on one end of a socket pair whose other end QEMU holds."""
        loop = asyncio.get_running_loop()
        _, monitor = await loop.create_unix_connection(lambda: cls(on_event), sock=sock)
        await monitor.ask("qmp_capabilities")
        return monitor

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Carries out a command and returns its result; Unavailable if QEMU refuses or is gone."""
        if self._transport is None or self._closed:
            raise Unavailable(f"asking QEMU to {command}: the machine is off")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._transport.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        return await answer

    def close(self) -> None:
        """Ends the connection; the machine runs on."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - asyncio's promise, told to mypy
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        while self._answers:
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_exception(Unavailable("QEMU ended before it answered"))

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message["event"], message.get("data", {}))
        elif "return" in message or "error" in message:
            answer = self._answers.popleft()
            if answer.done():  # who asked has been cancelled
                return
            if "return" in message:
                answer.set_result(message["return"])
            else:
                answer.set_exception(Unavailable(f"QEMU: {message['error']['desc']}"))
