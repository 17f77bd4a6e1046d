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

from pxed.content import Content, ContentError, Opened, Problem
from pxed.transfers import Transfer, Transfers
from pxed.web.request import origin_of

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
        started = asyncio.get_running_loop().time()
        try:
            opened = self.content.open(name, self.unix_time())
        except ContentError as error:
            self.transfers.finished(
                Transfer("HTTP", origin.peer, origin.interface, name, None, False, 0, 0.0, f"refused: {error}")
            )
            raise _STATUS[error.problem](text=f"{error}\n") from None
        response = _Sent(opened)
        try:
            await response.prepare(request)
            complete = request.method == hdrs.METH_GET and response.status == web.HTTPOk.status_code
            outcome = "complete" if complete else f"{request.method} {response.status}"
        except (ConnectionError, asyncio.CancelledError):
            complete, outcome = False, "aborted by the client"
            raise
        finally:
            os.close(opened.fd)
            seconds = asyncio.get_running_loop().time() - started
            sent = opened.size if complete else 0
            self.transfers.finished(
                Transfer(
                    "HTTP", origin.peer, origin.interface, opened.name, opened.grant, complete, sent, seconds, outcome
                )
            )
        return response


class _Sent(web.FileResponse):
    """Sends an open descriptor with sendfile(2), ranges and validators included."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(f"/proc/self/fd/{opened.fd}")
        suffix = os.path.splitext(opened.name)[1].lower()  # noqa: PTH122 - a client's name is no path of ours
        self.content_type = _TYPES.get(suffix, "application/octet-stream")
