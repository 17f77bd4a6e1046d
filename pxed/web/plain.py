"""Requests that are nothing but a GET: of a file of a boot image, which is what most octets are asked for with, or of
the boot script, which such requests come after.

aiohttp's parser reads them (llhttp), a new one for each, so that nothing of one request can become part of another:
what arrived must be one whole request and no more. Everything else is None here, and aiohttp's own business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError

_FILES, _SCRIPTS = "b/", "boot/"
"""what the names of files of boot images and of boot scripts begin with"""
_BEGIN = tuple(f"GET /{names}".encode() for names in (_FILES, _SCRIPTS))
_END = b"\r\n\r\n"
_LONGEST = 4096
"""octets; boot loaders need a few hundred"""
_QUOTED_OR_QUERY = frozenset("%?#")
_MORE_TO_IT = (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.UPGRADE)


class PlainGet(NamedTuple):
    """GET over HTTP/1.1, without a body."""

    name: str
    """of the file, with no slash before it and nothing in it that stands for something else"""
    headers: Mapping[str, str]
    last: bool
    """the client wants the connection closed afterwards"""

    @property
    def is_of_a_file(self) -> bool:
        """Whether it is one of a boot image."""
        return self.name.startswith(_FILES)


class PlainGets:
    """Reads them; to be made on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._nobody = BaseProtocol(self._loop)
        """whom a parser would tell that it has too much: none of ours ever does"""

    def read(self, data: bytes) -> PlainGet | None:
        """What `data` asks for, if it is one such request."""
        if not data.startswith(_BEGIN) or len(data) > _LONGEST or data.find(_END) != len(data) - len(_END):
            return None
        try:
            messages, upgraded, tail = HttpRequestParser(self._nobody, self._loop, _LONGEST).feed_data(data)
        except HttpProcessingError:
            return None
        if len(messages) != 1 or upgraded or tail:
            return None
        message = messages[0][0]
        if message.version != HttpVersion11 or any(name in message.headers for name in _MORE_TO_IT):
            return None
        if not message.path.isascii() or not _QUOTED_OR_QUERY.isdisjoint(message.path):
            return None
        return PlainGet(message.path[1:], message.headers, message.should_close)
