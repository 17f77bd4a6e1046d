"""Files over HTTP: boot loaders for anyone, boot images for those who hold a grant.

/b/<token>/<file>     a file of a boot image
/<name>               a public file
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus

from aiohttp import hdrs, web

from pxed.content import Content, ContentError, Opened, Problem
from pxed.transfers import Transfer, Transfers
from pxed.web.part import Part, Version, part_of
from pxed.web.request import Origin, origin_of
from pxed.web.sending import Sender

_TYPES = {"efi": "application/efi", "iso": "application/vnd.efi-iso", "img": "application/vnd.efi-img"}
"""What UEFI HTTP boot goes by (EDK2 NetworkPkg/HttpBootDxe/HttpBootSupport.c), by what is after a name's last dot."""

_STATUS = {Problem.NOT_FOUND: web.HTTPNotFound, Problem.DENIED: web.HTTPForbidden}

ABORTED = "aborted by the client"


@dataclass(slots=True)
class Files:
    """The handler; `content` may be exchanged while it serves."""

    content: Content
    transfers: Transfers
    unix_time: Callable[[], float]
    _sender: Sender = field(default_factory=Sender, init=False)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Takes its place in an application, after all other routes."""
        router.add_get("/{name:.+}", self._send)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        origin, name = origin_of(request), request.match_info["name"]
        try:
            opened = self.content.open(name, self.unix_time())
        except ContentError as error:
            self.transfers.finished(
                Transfer("HTTP", origin.peer, origin.interface, name, None, False, 0, 0.0, f"refused: {error}")
            )
            raise _STATUS[error.problem](text=f"{error}\n") from None
        try:
            return await self._answer(request, origin, opened)
        finally:
            os.close(opened.fd)

    async def _answer(self, request: web.Request, origin: Origin, opened: Opened) -> web.StreamResponse:
        """Ends when the last octet was handed to the kernel, and tells how it went."""
        clock = asyncio.get_running_loop().time
        started = clock()
        version = version_of(opened)
        part = part_of(version, request.method, request.headers)
        headers = headers_of(version, content_type(opened.name), part)
        response = web.StreamResponse(status=part.status, headers=headers)
        response.content_length = part.length
        sent, outcome = 0, ABORTED
        try:
            await response.prepare(request)
            if request.method == hdrs.METH_GET:
                transport = _transport_of(request)
                sent = await self._sender.send(transport, response, opened.fd, part)
                if sent < part.length:
                    transport.abort()  # the file became shorter: a client that waits for the rest must see that it ends
                    raise ConnectionAbortedError
            outcome = f"{request.method} {part.status}"
        except ConnectionError:
            pass  # it has gone, and nobody is left to be told
        finally:
            self.tell(origin.peer, origin.interface, opened, sent, clock() - started, outcome)
        return response

    def tell(self, peer: str, interface: str, opened: Opened, sent: int, seconds: float, outcome: str) -> None:
        """A file was sent to `peer`, an address and a port; `outcome` is ABORTED, or the request's method and the
        status of the answer."""
        complete = outcome == "GET 200"
        outcome = "complete" if complete else outcome
        transfer = Transfer("HTTP", peer, interface, opened.name, opened.grant, complete, sent, seconds, outcome)
        self.transfers.finished(transfer)


def version_of(opened: Opened) -> Version:
    """What an open file is now."""
    return Version(opened.size, opened.mtime_ns)


def content_type(name: str) -> str:
    """Of a file, by its name."""
    return _TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


@lru_cache(maxsize=256)  # of files that are asked for again and again
def headers_of(version: Version, kind: str, part: Part) -> Mapping[str, str]:
    """The headers that tell of a file of the content type `kind`, all but Content-Length."""
    headers: dict[str, str] = {
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CONTENT_TYPE: kind,
        hdrs.ETAG: version.etag,
        hdrs.LAST_MODIFIED: version.last_modified,
    }
    if part.status is HTTPStatus.PARTIAL_CONTENT:
        headers[hdrs.CONTENT_RANGE] = f"bytes {part.first}-{part.first + part.length - 1}/{version.size}"
    if part.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{version.size}"
    return headers


def _transport_of(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError
    return request.transport
