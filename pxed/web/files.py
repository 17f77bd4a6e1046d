"""Files over HTTP: boot loaders for anyone, boot images for those who hold a grant.

/b/<token>/<file>     a file of a boot image
/<name>               a public file
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from pxed.content import Content, ContentError, Opened, Problem
from pxed.transfers import Transfer, Transfers
from pxed.web.request import Origin, origin_of

_TYPES = {".efi": "application/efi", ".iso": "application/vnd.efi-iso", ".img": "application/vnd.efi-img"}
"""What UEFI HTTP boot goes by (EDK2 NetworkPkg/HttpBootDxe/HttpBootSupport.c)."""

_STATUS = {Problem.NOT_FOUND: web.HTTPNotFound, Problem.DENIED: web.HTTPForbidden}


@dataclass(slots=True)
class Files:
    """The handler; `content` may be exchanged while it serves."""

    content: Content
    transfers: Transfers
    unix_time: Callable[[], float]

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
        return _Sent(opened, origin, self.transfers)


class _Sent(web.FileResponse):
    """Sends an open descriptor with sendfile(2), ranges and validators included, closes it and tells how it went."""

    def __init__(self, opened: Opened, origin: Origin, transfers: Transfers) -> None:
        super().__init__(f"/proc/self/fd/{opened.fd}")
        suffix = os.path.splitext(opened.name)[1].lower()  # noqa: PTH122 - a client's name is no path of ours
        self.content_type = _TYPES.get(suffix, "application/octet-stream")
        self._opened = opened
        self._origin = origin
        self._transfers = transfers

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """As FileResponse has it: returns when the last byte was handed to the kernel."""
        clock = asyncio.get_running_loop().time
        started = clock()
        complete, outcome = False, "aborted by the client"
        try:
            writer = await super().prepare(request)
            complete = request.method == hdrs.METH_GET and self.status == web.HTTPOk.status_code
            outcome = "complete" if complete else f"{request.method} {self.status}"
        finally:
            os.close(self._opened.fd)
            name, grant, sent = self._opened.name, self._opened.grant, self._opened.size if complete else 0
            peer, interface, seconds = self._origin.peer, self._origin.interface, clock() - started
            self._transfers.finished(Transfer("HTTP", peer, interface, name, grant, complete, sent, seconds, outcome))
        return writer
