"""A client that asks for files of a boot image, and what such files are."""

import asyncio
import os
import socket

from pxed.boot.token import Grant, seal
from pxed.site.boot_image import Cpu
from tests.support import KEY

CONTENT = os.urandom(300_000)
LARGE = 10**8
"""octets: more than the buffers between two sockets ever hold"""
PATH = f"/b/{seal(Grant(1, 1, 7, Cpu.AMD64, 10), KEY)}"


def request(name: str, *headers: str, method: str = "GET", below: str = PATH) -> bytes:
    return "\r\n".join([f"{method} {below}/{name} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


class Reader:
    """What comes over a connection, an answer at a time."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._data = b""

    async def ask(self, data: bytes) -> tuple[str, dict[str, str], bytes]:
        await asyncio.get_running_loop().sock_sendall(self.client, data)
        return await self.answer(head_only=data.startswith(b"HEAD"))

    async def answer(self, *, head_only: bool = False) -> tuple[str, dict[str, str], bytes]:
        """Status, headers and body."""
        while b"\r\n\r\n" not in self._data:
            await self._more()
        head, self._data = self._data.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        count = 0 if head_only else int(headers.get("Content-Length", 0))
        while len(self._data) < count:
            await self._more()
        body, self._data = self._data[:count], self._data[count:]
        return status, headers, body

    async def ended(self) -> bool:
        try:
            return not await asyncio.get_running_loop().sock_recv(self.client, 1)
        except ConnectionResetError:
            return True

    async def _more(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self.client, 1 << 20)
        if not data:
            raise EOFError
        self._data += data
